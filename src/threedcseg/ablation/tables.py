"""Tables 1 to 5 of the paper: rows, what each is trained and measured with, and its figures.

J and F in per cent, times in seconds on the paper's Nvidia GTX 1080 Ti.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from threedcseg.errors import InputError


@dataclass(frozen=True)
class Row:
    """One row: a trained network and how it is scored, or an encoder that is timed.

    ``recipe`` names a file of the folder of recipes; ``settings`` go on top of those of its
    validation. ``data``: another data set than the validation's, as a `DataSource` has it.
    ``published``: the paper's figures by the names of ours.
    """

    label: str
    published: Mapping[str, float]
    recipe: str | None = None
    encoder: str | None = None
    protocol: str = "davis16"
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Table:
    """Rows that are compared by ``figures``, the first of which is drawn."""

    title: str
    figures: tuple[str, ...]
    rows: tuple[Row, ...]


def _score(label: str, recipe: str, both: float) -> Row:
    return Row(label, {"J&F": both}, recipe)


def _encoder(label: str, name: str, seconds: float, parameters: float) -> Row:
    published = {"seconds a clip": seconds, "M parameters": parameters}
    return Row(label, published, encoder=name)


def _saliency(label: str, f: float, mae: float, data: Mapping[str, Any] | None = None) -> Row:
    published = {"F1_max": f, "MAE": mae}
    return Row(label, published, "final", protocol="3dc-seg-published", data=data)


_SPORTS, _IG = "ir-CSN-152, Sports1M + Kinetics", "ir-CSN-152, IG-65M + Kinetics"

TABLES = {
    "table1": Table(
        "Table 1: encoders",
        ("seconds a clip", "M parameters"),
        (
            _encoder("ResNet-101 (2D)", "resnet-101", 0.173, 42.5),
            _encoder("ResNet-101, lower stride (2D)", "resnet-101-dilated", 0.793, 42.6),
            _encoder("R(2+1)D-34 (3D)", "r2plus1d-34", 0.891, 63.5),
            _encoder("ir-CSN-152 (3D)", "ir-csn-152", 0.213, 28.7),
        ),
    ),
    "table2a": Table(
        "Table 2a: encoder and training data",
        ("J&F",),
        (
            _score(f"{_SPORTS}; COCO", "table2a-coco", 61.8),
            _score(f"{_SPORTS}; DAVIS", "table2a-davis", 82.2),
            _score(f"{_SPORTS}; YT-VOS", "table2a-ytvos", 69.5),
            _score(f"{_SPORTS}; COCO, YT-VOS", "table2a-coco-ytvos", 72.6),
            _score(f"{_SPORTS}; YT-VOS, DAVIS", "table2a-ytvos-davis", 79.4),
            _score(f"{_SPORTS}; COCO, DAVIS", "table2a-coco-davis", 82.8),
            _score(f"{_SPORTS}; COCO, YT-VOS, DAVIS", "table2a-all-sports1m", 83.6),
            _score(f"{_IG}; COCO, YT-VOS, DAVIS", "final", 84.1),
            _score("R(2+1)D-34, IG-65M + Kinetics; all three", "table2a-r2plus1d", 79.6),
        ),
    ),
    "table2b": Table(
        "Table 2b: bridge",
        ("J&F",),
        (
            _score("C3D", "table2b-c3d", 80.3),
            _score("NL3D", "table2b-nl3d", 81.7),
            _score("ASPP", "table2b-aspp3d", 81.0),
            _score("GC3D", "final", 84.1),
        ),
    ),
    "table2c": Table(
        "Table 2c: clip length",
        ("J&F",),
        (
            _score("4 frames", "table2c-4", 83.4),
            _score("8 frames", "table2c-8", 84.1),
            _score("16 frames", "table2c-16", 83.7),
            _score("24 frames", "table2c-24", 81.5),
        ),
    ),
    "table3": Table(
        "Table 3: refinement",
        ("J&F",),
        (_score("Upsampling", "table3-upsampling", 80.2), _score("RF3D", "final", 84.1)),
    ),
    "table4": Table(
        "Table 4: DAVIS 2016",
        ("J&F", "J_mean", "F_mean", "seconds a frame"),
        (
            Row(
                "Ours",
                {"J&F": 84.1, "J_mean": 83.9, "F_mean": 84.3, "seconds a frame": 0.22},
                "final",
            ),
            Row(
                "Ours, dense",
                {"J&F": 84.5, "J_mean": 84.3, "F_mean": 84.7, "seconds a frame": 0.84},
                "final",
                settings={"overlap": 7},
            ),
        ),
    ),
    "table5": Table(
        "Table 5: video saliency",
        ("F1_max", "MAE"),
        (
            _saliency("DAVIS 2016 val", 91.8, 0.015),
            _saliency("FBMS test", 84.5, 0.048, {"kind": "fbms", "root": "FBMS", "split": "test"}),
            _saliency("ViSal", 92.2, 0.019, {"kind": "visal", "root": "ViSal"}),
        ),
    ),
}


def find_table(name: str) -> Table:
    """The table of that name; raises `InputError` for an unknown one."""
    key = name.lower().replace(" ", "")
    key = key if key.startswith("table") else f"table{key}"
    if key not in TABLES:
        raise InputError(f"no table {name!r} to measure: choose one of {', '.join(TABLES)}")
    return TABLES[key]
