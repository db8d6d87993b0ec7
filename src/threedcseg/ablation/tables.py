"""Tables 1 to 5 of the paper: what each row is trained and measured with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from threedcseg import published
from threedcseg.errors import InputError
from threedcseg.evaluation.masks import J_AND_F
from threedcseg.metrics.boundary import F
from threedcseg.metrics.figure import Figure
from threedcseg.metrics.pooled import F1, F1_MAX
from threedcseg.metrics.region import J
from threedcseg.metrics.saliency import MAE_FIGURE

SECONDS_A_CLIP = Figure("seconds a clip", "seconds", lower_is_better=True, digits=3)
SECONDS_A_FRAME = Figure("seconds a frame", "seconds", lower_is_better=True, digits=3)
PARAMETERS = Figure("M parameters", "millions", lower_is_better=True)


@dataclass(frozen=True)
class Row:
    """One row: a trained network and how it is scored, or an encoder that is timed.

    ``recipe`` names a file of the folder of recipes; ``settings`` go on top of those of its
    validation. ``data``: another data set than the validation's, as a `DataSource` has it.
    ``probabilities``: they are scored, not the masks. ``published``: the paper's figures by the
    names of ours.
    """

    label: str
    published: Mapping[str, float]
    recipe: str | None = None
    encoder: str | None = None
    protocol: str = "davis16"
    probabilities: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Table:
    """Rows that are compared by ``figures``, the first of which is drawn; ``note``: what to know
    of them."""

    title: str
    figures: tuple[Figure, ...]
    rows: tuple[Row, ...]
    note: str = ""


def _encoder(label: str, name: str) -> Row:
    cost = published.TABLE_1[name]
    figures = {SECONDS_A_CLIP.name: cost.seconds, PARAMETERS.name: cost.millions}
    return Row(f"{label}, {cost.counted}", figures, encoder=name)


def _scores(title: str, rows: Mapping[str, Mapping[str, float]], *recipes: str) -> Table:
    pairs = zip(rows.items(), recipes, strict=True)
    return Table(title, (J_AND_F,), tuple(Row(label, v, recipe) for (label, v), recipe in pairs))


def _saliency(label: str, name: str, data: Mapping[str, Any] | None = None) -> Row:
    """The authors took F of probabilities on DAVIS, of hard masks on the others."""
    f, mae = published.TABLE_5["3DC-Seg"][name]
    measure = F1_MAX if data is None else F1
    return Row(
        label,
        {measure.name: f, MAE_FIGURE.name: mae},
        "final",
        protocol="3dc-seg-published",
        probabilities=True,
        data=data,
    )


TABLES = {
    "table1": Table(
        "Table 1: encoders",
        (SECONDS_A_CLIP, PARAMETERS),
        (
            _encoder("ResNet-101 (2D)", "resnet-101"),
            _encoder("ResNet-101, lower stride (2D)", "resnet-101-dilated"),
            _encoder("R(2+1)D-34 (3D)", "r2plus1d-34"),
            _encoder("ir-CSN-152 (3D)", "ir-csn-152"),
        ),
        note="Parameters are counted as the paper counted those of each encoder: convolutions "
        "(conv), also scales and shifts of batch norms (+norm), or also their running statistics "
        "(+stats). `3dcseg models` has all three of each.",
    ),
    "table2a": _scores(
        "Table 2a: encoder and training data",
        published.TABLE_2A,
        "table2a-coco",
        "table2a-davis",
        "table2a-ytvos",
        "table2a-coco-ytvos",
        "table2a-ytvos-davis",
        "table2a-coco-davis",
        "table2a-all-sports1m",
        "final",
        "table2a-r2plus1d",
    ),
    "table2b": _scores(
        "Table 2b: bridge",
        published.TABLE_2B,
        "table2b-c3d",
        "table2b-nl3d",
        "table2b-aspp3d",
        "final",
    ),
    "table2c": _scores(
        "Table 2c: clip length",
        published.TABLE_2C,
        "table2c-4",
        "table2c-8",
        "table2c-16",
        "table2c-24",
    ),
    "table3": _scores("Table 3: refinement", published.TABLE_3, "table3-upsampling", "final"),
    "table4": Table(
        "Table 4: DAVIS 2016",
        (J_AND_F, J.figures[0], F.figures[0], SECONDS_A_FRAME),
        (
            Row("Ours", published.TABLE_4["3DC-Seg"], "final"),
            Row(
                "Ours, dense", published.TABLE_4["3DC-Seg, dense"], "final", settings={"overlap": 7}
            ),
        ),
    ),
    "table5": Table(
        "Table 5: video saliency",
        (*F1_MAX.figures, *F1.figures, MAE_FIGURE),
        (
            _saliency("DAVIS 2016 val", "DAVIS 2016"),
            _saliency("FBMS test", "FBMS-59", {"kind": "fbms", "root": "FBMS", "split": "test"}),
            _saliency("ViSal", "ViSal", {"kind": "visal", "root": "ViSal"}),
        ),
        note="F1_max is of probabilities at the best threshold, as the authors' script for DAVIS "
        "takes it; F1 is of hard masks, as those for FBMS and ViSal.",
    ),
}


def find_table(name: str) -> Table:
    """The table of that name; raises `InputError` for an unknown one."""
    key = name.lower().replace(" ", "")
    key = key if key.startswith("table") else f"table{key}"
    if key not in TABLES:
        raise InputError(f"no table {name!r} to measure", f"choose one of {', '.join(TABLES)}")
    return TABLES[key]
