"""The figures of the paper and of the field that stand beside one's own, typed once.

J, F and F-measures are typed in per cent, as they are printed, and kept as fractions of 1, as our
own are; MAE is a fraction; times are seconds on the paper's Nvidia GTX 1080 Ti.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

Figures = Mapping[str, float]
"""By the names of ours."""


class EncoderCost(NamedTuple):
    """A row of Table 1: seconds a clip, millions of parameters, and which of them are counted.

    The paper mixes three ways of counting: ``conv``, convolutions only; ``+norm``, also scales and
    shifts of batch norms; ``+stats``, also their running statistics. ``counted`` is the one that
    gives its number for the encoder as it was published.
    """

    seconds: float
    millions: float
    counted: Literal["conv", "+norm", "+stats"]


TABLE_1 = {
    "resnet-101": EncoderCost(0.173, 42.5, "+norm"),
    "resnet-101-dilated": EncoderCost(0.793, 42.6, "+stats"),
    "r2plus1d-34": EncoderCost(0.891, 63.5, "+norm"),
    "ir-csn-152": EncoderCost(0.213, 28.7, "conv"),
}
"""By the names of our encoders."""


def _j_and_f(rows: Mapping[str, float]) -> dict[str, Figures]:
    return {label: {"J&F": value / 100} for label, value in rows.items()}


_SPORTS, _IG = "ir-CSN-152, Sports1M + Kinetics", "ir-CSN-152, IG-65M + Kinetics"

TABLE_2A = _j_and_f(
    {
        f"{_SPORTS}; COCO": 61.8,
        f"{_SPORTS}; DAVIS": 82.2,
        f"{_SPORTS}; YT-VOS": 69.5,
        f"{_SPORTS}; COCO, YT-VOS": 72.6,
        f"{_SPORTS}; YT-VOS, DAVIS": 79.4,
        f"{_SPORTS}; COCO, DAVIS": 82.8,
        f"{_SPORTS}; COCO, YT-VOS, DAVIS": 83.6,
        f"{_IG}; COCO, YT-VOS, DAVIS": 84.1,
        "R(2+1)D-34, IG-65M + Kinetics; all three": 79.6,
    }
)
TABLE_2B = _j_and_f({"C3D": 80.3, "NL3D": 81.7, "ASPP": 81.0, "GC3D": 84.1})
TABLE_2C = _j_and_f({"4 frames": 83.4, "8 frames": 84.1, "16 frames": 83.7, "24 frames": 81.5})
TABLE_3 = _j_and_f({"Upsampling": 80.2, "RF3D": 84.1})


def _masks(
    both: float | None, region: float | None = None, outline: float | None = None, **more: float
) -> Figures:
    named = {"J&F": both, "J_mean": region, "F_mean": outline}
    return {name: value / 100 for name, value in named.items() if value is not None} | more


TABLE_4 = {
    "3DC-Seg, dense": _masks(84.5, 84.3, 84.7, **{"seconds a frame": 0.84}),
    "3DC-Seg": _masks(84.1, 83.9, 84.3, **{"seconds a frame": 0.22}),
    "AD-Net + instance pruning": _masks(81.1, 81.7, 80.5),
    "STEm-Seg": _masks(80.6, 80.6, 80.6),
    "AGNN": _masks(79.9, 80.7, 79.1),
    "AD-Net": _masks(78.8, 79.4, 78.2),
    "3D-CNN (Hou et al.)": _masks(77.8, 78.3, 77.2),
    "MotAdapt": _masks(77.3, 77.2, 77.4),
    "PDB": _masks(75.9, 77.2, 74.5),
    "LVO": _masks(74.0, 75.9, 72.1),
    "ARP": _masks(73.4, 76.2, 70.6),
    "OnAVOS": _masks(None, 72.7),
}
"""J and F on the 20 sequences of DAVIS 2016 val, no first frame given."""

SINCE = {
    "Segment Any Motion": _masks(90.9),
    "HMHI-Net": _masks(89.8),
    "HFAN": _masks(88.7),
}
"""The same of later work, from its own papers."""


class Saliency(NamedTuple):
    """F, a fraction, with beta^2 = 1 and all pixels in one pool (3DC-Seg), and MAE."""

    f: float
    mae: float


def _saliency(*values: float) -> dict[str, Saliency]:
    pairs = zip(values[::2], values[1::2], strict=True)
    return {name: Saliency(f / 100, mae) for name, (f, mae) in zip(SETS, pairs, strict=True)}


SETS = ("DAVIS 2016", "FBMS-59", "ViSal")

TABLE_5 = {
    "3DC-Seg": _saliency(91.8, 0.015, 84.5, 0.048, 92.2, 0.019),
    "AD-Net": _saliency(80.8, 0.044, 81.2, 0.064, 90.4, 0.030),
    "FGRNE": _saliency(78.6, 0.043, 77.9, 0.083, 85.0, 0.040),
    "FCNS": _saliency(72.9, 0.053, 73.5, 0.100, 87.7, 0.041),
    "STUW": _saliency(69.2, 0.098, 52.8, 0.143, 67.1, 0.132),
    "SGSP": _saliency(67.7, 0.128, 57.1, 0.171, 64.8, 0.172),
    "SP": _saliency(60.1, 0.130, 53.8, 0.161, 73.1, 0.126),
    "GAFL": _saliency(57.8, 0.091, 55.1, 0.150, 72.6, 0.099),
    "SAGE": _saliency(47.9, 0.105, 58.1, 0.142, 73.4, 0.096),
}
"""By method and data set, on DAVIS 2016 val, FBMS-59 test and ViSal."""
