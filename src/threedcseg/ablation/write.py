"""A measured table beside the paper's: Markdown, CSV and a plot."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from threedcseg.ablation.experiment import Outcome
from threedcseg.ablation.tables import Table
from threedcseg.atomic import replacing
from threedcseg.errors import InputError


def write_table(table: Table, outcomes: Sequence[Outcome], out: Path, name: str) -> list[Path]:
    """Write ``NAME.md``, ``NAME.csv`` and ``NAME.png`` to ``out``; returns their paths.

    Without Matplotlib (the extra ``report``), or with no row measured, there is no plot.
    """
    written = [out / f"{name}.md", out / f"{name}.csv"]
    for path, text in zip(written, (markdown(table, outcomes), _csv(table, outcomes)), strict=True):
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    if any(outcome.figures for outcome in outcomes):
        try:
            _plot(table, outcomes, out / f"{name}.png")
            written.append(out / f"{name}.png")
        except ImportError:
            pass
    return written


def markdown(table: Table, outcomes: Sequence[Outcome]) -> str:
    """The table as Markdown, with what was left out below it."""
    heads = [f"{figure} {whose}" for figure in table.figures for whose in ("here", "paper")]
    lines = [
        f"# {table.title}\n",
        "| " + " | ".join(["row", "steps", *heads]) + " |",
        "| --- |" + " ---: |" * (1 + len(heads)),
    ]
    for outcome in outcomes:
        cells = [outcome.row.label, str(outcome.steps or ""), *_cells(table, outcome)]
        lines.append("| " + " | ".join(cells) + " |")
    left_out = [f"- {o.row.label}: {o.left_out}" for o in outcomes if o.left_out]
    if left_out:
        lines += ["\nLeft out:\n", *left_out]
    return "\n".join(lines) + "\n"


def _csv(table: Table, outcomes: Sequence[Outcome]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads = [f"{figure} {whose}" for figure in table.figures for whose in ("here", "paper")]
    writer.writerow(["row", "recipe", "steps", *heads, "left out"])
    for outcome in outcomes:
        row = outcome.row
        cells = [row.label, row.recipe or row.encoder, outcome.steps, *_cells(table, outcome)]
        writer.writerow([*cells, outcome.left_out])
    return text.getvalue()


def _cells(table: Table, outcome: Outcome) -> list[str]:
    both = (outcome.figures, outcome.row.published)
    return [
        _number(name, figures[name]) if name in figures else ""
        for name in table.figures
        for figures in both
    ]


def _number(name: str, value: float) -> str:
    return f"{value:.3f}" if name == "MAE" or name.startswith("seconds") else f"{value:.1f}"


def _plot(table: Table, outcomes: Sequence[Outcome], path: Path) -> None:
    from matplotlib.figure import Figure

    name = table.figures[0]
    places = range(len(outcomes))
    figure = Figure(figsize=(7, 0.6 + 0.5 * len(outcomes)), layout="constrained")
    axes = figure.add_subplot()
    for shift, color, label, values in (
        (-0.2, "#b8bec6", "paper", [o.row.published.get(name) for o in outcomes]),
        (0.2, "#d9541e", "here", [o.figures.get(name) for o in outcomes]),
    ):
        bars = axes.barh(
            [p + shift for p in places], [v or 0 for v in values], 0.38, color=color, label=label
        )
        texts = ["" if v is None else _number(name, v) for v in values]
        axes.bar_label(bars, texts, padding=3, fontsize=8)
    axes.set_yticks(list(places), [o.row.label for o in outcomes], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(name)
    axes.set_title(table.title, fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    axes.legend(frameon=False, fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)


def check_folder(out: Path) -> None:
    """Make the folder of results; raises `InputError` where that cannot be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be a folder of results ({error.strerror})") from None
