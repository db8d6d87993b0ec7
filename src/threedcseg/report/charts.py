"""Curves over time as paths of inline SVG, and what they show in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from threedcseg.metrics.measure import Measure
from threedcseg.report.results import Run

WIDTH, HEIGHT = 1000, 100
"""The drawing's own units; the page stretches it, and keeps the lines' thickness."""


@dataclass(frozen=True)
class Curve:
    """A measure of a run over the frames of a sequence. ``run`` is its number in the report."""

    run: int
    path: str
    summary: str


@dataclass(frozen=True)
class Panel:
    """One measure of a sequence, with a curve for each run that has it."""

    measure: str
    title: str
    num_frames: int
    curves: tuple[Curve, ...]


def drawn(runs: Sequence[Run]) -> list[Measure]:
    """The measures of runs that have a curve, all from 0 to 1."""
    measures = (measure for run in runs for measure in run.protocol.measures if measure.curve)
    return list({measure.name: measure for measure in measures}.values())


def panels(name: str, runs: Sequence[Run]) -> list[Panel]:
    """The curves of a sequence, measure by measure."""
    found = []
    having = [(number, run) for number, run in enumerate(runs) if name in run.sequences]
    for measure in drawn(runs):
        curves = [
            _curve(number, run, name, measure)
            for number, run in having
            if measure.name in run.sequences[name].per_frame
        ]
        if curves:
            num_frames = len(having[0][1].sequences[name].frames)
            found.append(Panel(measure.name, measure.curve, num_frames, tuple(curves)))
    return found


def _curve(number: int, run: Run, name: str, measure: Measure) -> Curve:
    values, frames = run.sequences[name].per_frame[measure.name], run.sequences[name].frames
    known = [
        (value, frame) for value, frame in zip(values, frames, strict=True) if value is not None
    ]
    if not known:
        return Curve(number, "", f"{run.name}: not defined")
    low, where = min(known)
    high = max(known)[0]
    mean = sum(value for value, _ in known) / len(known)
    text = measure.figures[0].text
    summary = f"{run.name}: mean {text(mean)}, from {text(low)} (frame {where}) to {text(high)}"
    return Curve(number, path(values), summary)


def path(values: Sequence[float | None]) -> str:
    """Values of 0 to 1 as an SVG path across the drawing; broken where there is none.

    >>> path([0.0, 1.0, None, 0.5, 0.5])
    'M0 100L250 0M750 50L1000 50'
    """
    step = WIDTH / max(1, len(values) - 1)
    words, pen = [], "M"
    for index, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        words.append(f"{pen}{index * step:.4g} {HEIGHT * (1 - value):.4g}")
        pen = "L"
    return "".join(words)
