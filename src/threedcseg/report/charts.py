"""Curves over time as paths of inline SVG, and what they show in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from threedcseg.report.results import Run

WIDTH, HEIGHT = 1000, 100
"""The drawing's own units; the page stretches it, and keeps the lines' thickness."""

CURVES = {"J": "region similarity J", "F": "contour accuracy F", "F1": "F-measure (beta² = 1)"}
"""The per-frame measures worth a curve, all from 0 to 1."""


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


def panels(name: str, runs: Sequence[Run]) -> list[Panel]:
    """The curves of a sequence, measure by measure."""
    found = []
    for measure, title in CURVES.items():
        curves = [
            _curve(number, run, name, measure)
            for number, run in enumerate(runs)
            if name in run.sequences and measure in run.sequences[name]["per_frame"]
        ]
        if curves:
            having = next(run for run in runs if name in run.sequences)
            num_frames = len(having.sequences[name]["per_frame"]["frame"])
            found.append(Panel(measure, title, num_frames, tuple(curves)))
    return found


def _curve(number: int, run: Run, name: str, measure: str) -> Curve:
    measures = run.sequences[name]["per_frame"]
    values, frames = measures[measure], measures["frame"]
    known = [
        (value, frame) for value, frame in zip(values, frames, strict=True) if value is not None
    ]
    if not known:
        return Curve(number, "", f"{run.name}: not defined")
    low, where = min(known)
    high = max(known)[0]
    mean = sum(value for value, _ in known) / len(known)
    spread = f"from {100 * low:.1f} (frame {where}) to {100 * high:.1f}"
    summary = f"{run.name}: mean {100 * mean:.1f}, {spread}"
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
