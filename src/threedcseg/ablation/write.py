"""A measured table beside the paper's: Markdown, CSV and a plot."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from threedcseg.ablation.experiment import MeasuredRow
from threedcseg.ablation.tables import Table
from threedcseg.atomic import replacing
from threedcseg.errors import InputError


def write_table(table: Table, rows: Sequence[MeasuredRow], out: Path, name: str) -> list[Path]:
    """Write ``NAME.md``, ``NAME.csv`` and ``NAME.png`` to ``out``; returns their paths.

    Without Matplotlib (the extra ``report``), or with no row measured, there is no plot.
    """
    written = [out / f"{name}.md", out / f"{name}.csv"]
    for path, text in zip(written, (markdown(table, rows), _csv(table, rows)), strict=True):
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    if any(row.figures for row in rows):
        try:
            _plot(table, rows, out / f"{name}.png")
            written.append(out / f"{name}.png")
        except ImportError:
            pass
    return written


def markdown(table: Table, rows: Sequence[MeasuredRow]) -> str:
    """The table as Markdown; below it its note, and what was left out."""
    lines = [
        f"# {table.title}\n",
        "| " + " | ".join(["row", "steps", *_heads(table)]) + " |",
        "| --- |" + " ---: |" * (1 + len(_heads(table))),
    ]
    for row in rows:
        cells = [row.row.label, str(row.steps or ""), *_cells(table, row)]
        lines.append("| " + " | ".join(cells) + " |")
    if table.note:
        lines.append(f"\n{table.note}")
    left_out = [f"- {row.row.label}: {row.left_out}" for row in rows if row.left_out]
    if left_out:
        lines += ["\nLeft out:\n", *left_out]
    return "\n".join(lines) + "\n"


def _csv(table: Table, rows: Sequence[MeasuredRow]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "recipe", "steps", *_heads(table), "left out"])
    for row in rows:
        made_of = row.row.recipe or row.row.encoder
        writer.writerow([row.row.label, made_of, row.steps, *_cells(table, row), row.left_out])
    return text.getvalue()


def _heads(table: Table) -> list[str]:
    return [f"{figure.name} {whose}" for figure in table.figures for whose in ("here", "paper")]


def _cells(table: Table, row: MeasuredRow) -> list[str]:
    both = (row.figures, row.row.published)
    return [
        figure.text(figures[figure.name]) if figure.name in figures else ""
        for figure in table.figures
        for figures in both
    ]


def _plot(table: Table, rows: Sequence[MeasuredRow], path: Path) -> None:
    from matplotlib.figure import Figure

    drawn = table.figures[0]
    places = range(len(rows))
    figure = Figure(figsize=(7, 0.6 + 0.5 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for shift, color, label, values in (
        (-0.2, "#b8bec6", "paper", [row.row.published.get(drawn.name) for row in rows]),
        (0.2, "#d9541e", "here", [row.figures.get(drawn.name) for row in rows]),
    ):
        bars = axes.barh(
            [p + shift for p in places], [v or 0 for v in values], 0.38, color=color, label=label
        )
        texts = ["" if v is None else drawn.text(v) for v in values]
        axes.bar_label(bars, texts, padding=3, fontsize=8)
    axes.set_yticks(list(places), [row.row.label for row in rows], fontsize=8)
    axes.xaxis.set_major_formatter(lambda value, place: drawn.text(value))
    axes.invert_yaxis()
    axes.set_xlabel(drawn.name)
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
