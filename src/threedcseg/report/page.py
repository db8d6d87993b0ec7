"""The report: one folder, `index.html` and what it needs, to be opened from a disk."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

from threedcseg.atomic import scratch_folder
from threedcseg.errors import InputError
from threedcseg.evaluation.protocols import PROTOCOLS
from threedcseg.extras import package
from threedcseg.metrics.figure import Figure
from threedcseg.reading import read_bounded
from threedcseg.report.charts import HEIGHT, WIDTH, drawn, panels
from threedcseg.report.comparison import Comparison, published_for
from threedcseg.report.pictures import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    Shown,
    Still,
    write_sequences,
    write_stills,
)
from threedcseg.report.results import Run
from threedcseg.report.scenes import Scene

PICTURE_WIDTH = 640
MAX_PAGE = 512 << 20  # bytes
MARK = '<meta name="generator" content="3dcseg report">'
"""How a former report, which may be replaced, is told from any other folder."""


@dataclass(frozen=True)
class Group:
    """Runs whose figures compare: of one protocol and one ground truth. ``runs`` are numbers."""

    protocol: str
    ground_truth: str
    runs: tuple[int, ...]
    columns: tuple[Figure, ...]
    chief: Figure
    sequences: tuple[str, ...]
    comparison: Comparison | None
    best: Mapping[str, float]


def write_report(
    runs: Sequence[Run],
    scenes: Sequence[Scene],
    output: Path,
    *,
    width: int = PICTURE_WIDTH,
    workers: int = 1,
    on_frame: Callable[[str], None] = lambda name: None,
) -> None:
    """Write the report into the folder ``output``, whole or not at all.

    Args:
        runs: what `read_runs` gave.
        scenes: what `find_scenes` gave; empty for a report of numbers alone, without pictures.
        output: replaced if it is a former report.
        width: of the pictures in pixels, at most.
        workers: threads that read and shrink frames.
        on_frame: called with the sequence's name after each frame.

    Raises:
        InputError: ``output`` is something else than a former report, jinja2 is missing, or as
            `Scene.read`.
    """
    template = _template()
    check_replaceable(output)
    with scratch_folder(output.parent, f".{output.name[:40]}-") as folder:
        part = folder / "new"
        (part / "stills").mkdir(parents=True)
        shown = write_sequences(scenes, part / "media", width, workers, on_frame)
        stills = [
            write_stills(run, number, scenes, part / "stills", width) if scenes else []
            for number, run in enumerate(runs)
        ]
        for name in ("report.css", "report.js"):
            text = resources.files("threedcseg.report").joinpath("assets", name).read_text("utf-8")
            (part / name).write_text(text, "utf-8")
        page = template.render(_content(runs, shown, stills))
        (part / "index.html").write_text(page, "utf-8")
        _replace(output, part)


def check_replaceable(output: Path) -> None:
    """Raise `InputError` unless ``output`` is free, empty, or a former report."""
    if not output.resolve().parent.is_dir():
        raise InputError(
            f"{output}: no such folder {output.parent}", "make it, or give another name"
        )
    if not output.exists():
        return
    if not output.is_dir():
        raise InputError(f"{output} is a file", "give a folder for the report")
    index = output / "index.html"
    if any(output.iterdir()) and not (
        index.is_file() and MARK.encode() in read_bounded(index, MAX_PAGE)
    ):
        raise InputError(f"{output} holds something else than a report", "give another folder")


def _replace(output: Path, part: Path) -> None:
    """Put the new report in the place of the old one."""
    if output.exists():
        old = output.rename(part.with_name("old"))
        try:
            part.rename(output)
        except BaseException:
            old.rename(output)
            raise
    else:
        part.rename(output)


def _template() -> Any:
    jinja2 = package("jinja2", "report", "3dcseg report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("threedcseg.report", "assets"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html")


def groups(runs: Sequence[Run]) -> list[Group]:
    """The runs by what makes figures compare, in their order."""
    numbers: dict[tuple[str, str], list[int]] = {}
    for number, run in enumerate(runs):
        numbers.setdefault((run.protocol.name, run.record.ground_truth), []).append(number)
    found = []
    for (name, truth), members in numbers.items():
        protocol = PROTOCOLS[name]
        overall = [runs[number].record.overall for number in members]
        best = {
            f.name: (min if f.lower_is_better else max)(figures[f.name] for figures in overall)
            for f in protocol.figures
        }
        found.append(
            Group(
                protocol=name,
                ground_truth=truth,
                runs=tuple(members),
                columns=protocol.figures,
                chief=next(f for f in protocol.figures if f.name == protocol.chief),
                sequences=tuple(dict.fromkeys(s for n in members for s in runs[n].sequences)),
                comparison=published_for(name, truth),
                best=best if len(members) > 1 else {},
            )
        )
    return found


def _content(
    runs: Sequence[Run], shown: Sequence[Shown], stills: Sequence[Sequence[Still]]
) -> dict[str, Any]:
    """What the template is filled with."""
    names = list(dict.fromkeys(name for run in runs for name in run.sequences))
    return {
        "mark": MARK,
        "runs": runs,
        "groups": groups(runs),
        "shown": shown,
        "stills": stills,
        "charts": {name: panels(name, runs) for name in names},
        "names": names,
        "presence": {n: [i for i, run in enumerate(runs) if n in run.sequences] for n in names},
        "spans": {name: _span(name, runs) for name in names},
        "software": f"threedcseg {version('threedcseg')}",
        "drawing": (WIDTH, HEIGHT),
        "colors": {"extra": rgb(FALSE_POSITIVE), "missed": rgb(FALSE_NEGATIVE)},
        "player": json.dumps(_player(runs, shown)).replace("<", "\\u003c"),
    }


def _span(name: str, runs: Sequence[Run]) -> tuple[str, str]:
    """The first and the last frame of a sequence."""
    frames = next(run for run in runs if name in run.sequences).sequences[name].frames
    return frames[0], frames[-1]


def rgb(color: tuple[int, int, int]) -> str:
    """As CSS writes it."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def _player(runs: Sequence[Run], shown: Sequence[Shown]) -> dict[str, Any]:
    """What the script of the page has to know."""
    names = [measure.name for measure in drawn(runs)]
    sequences = []
    for part in shown:
        records = [run.sequences.get(part.name) for run in runs]
        measures = [
            record and {n: _rounded(record.per_frame[n]) for n in names if n in record.per_frame}
            for record in records
        ]
        frames = next(record.frames for record in records if record)
        sequences.append({**asdict(part), "frames": frames, "measures": measures})
    return {
        "runs": [run.name for run in runs],
        "sequences": sequences,
        "colors": {"extra": rgb(FALSE_POSITIVE), "missed": rgb(FALSE_NEGATIVE)},
    }


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else round(value, 4) for value in values]
