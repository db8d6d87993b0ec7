"""Published figures to stand beside one's own, and what they were measured on."""

from collections.abc import Mapping
from dataclasses import dataclass

TABLE_4 = "paper, Table 4"
TABLE_5 = "paper, Table 5"


@dataclass(frozen=True)
class Published:
    """Figures of a method on a whole set, fractions of 1 as in our own results."""

    method: str
    source: str
    figures: Mapping[str, float]


def _masks(method: str, both: float | None, region: float | None, outline: float | None,
           source: str = TABLE_4) -> Published:  # fmt: skip
    named = {"J&F": both, "J_mean": region, "F_mean": outline}
    return Published(method, source, {k: v / 100 for k, v in named.items() if v is not None})


DAVIS16_VAL = (
    _masks("Segment Any Motion", 90.9, None, None, "its paper"),
    _masks("HMHI-Net", 89.8, None, None, "its paper"),
    _masks("HFAN", 88.7, None, None, "its paper"),
    _masks("3DC-Seg, dense", 84.5, 84.3, 84.7),
    _masks("3DC-Seg", 84.1, 83.9, 84.3),
    _masks("AD-Net + instance pruning", 81.1, 81.7, 80.5),
    _masks("STEm-Seg", 80.6, 80.6, 80.6),
    _masks("AGNN", 79.9, 80.7, 79.1),
    _masks("AD-Net", 78.8, 79.4, 78.2),
    _masks("3D-CNN (Hou et al.)", 77.8, 78.3, 77.2),
    _masks("MotAdapt", 77.3, 77.2, 77.4),
    _masks("PDB", 75.9, 77.2, 74.5),
    _masks("LVO", 74.0, 75.9, 72.1),
    _masks("ARP", 73.4, 76.2, 70.6),
    _masks("OnAVOS", None, 72.7, None),
)
"""J and F on the DAVIS 2016 validation set, no first frame given."""

_SALIENCY = {
    "3DC-Seg": (91.8, 0.015, 84.5, 0.048, 92.2, 0.019),
    "AD-Net": (80.8, 0.044, 81.2, 0.064, 90.4, 0.030),
    "FGRNE": (78.6, 0.043, 77.9, 0.083, 85.0, 0.040),
    "FCNS": (72.9, 0.053, 73.5, 0.100, 87.7, 0.041),
    "STUW": (69.2, 0.098, 52.8, 0.143, 67.1, 0.132),
    "SGSP": (67.7, 0.128, 57.1, 0.171, 64.8, 0.172),
    "SP": (60.1, 0.130, 53.8, 0.161, 73.1, 0.126),
    "GAFL": (57.8, 0.091, 55.1, 0.150, 72.6, 0.099),
    "SAGE": (47.9, 0.105, 58.1, 0.142, 73.4, 0.096),
}
"""F in per cent and MAE, on DAVIS 2016 val, FBMS-59 test and ViSal."""


@dataclass(frozen=True)
class Comparison:
    """Published figures that may stand in a table of a protocol and a data set.

    ``measured_on``: the whole set that all of them are of. ``warning``: what sets them apart.
    """

    measured_on: str
    warning: str
    rows: tuple[Published, ...] = ()


def published_for(protocol: str, ground_truth: str) -> Comparison | None:
    """What was published under a protocol, on the set that the ground truth belongs to, if any."""
    if protocol == "davis16" and ground_truth.startswith("DAVIS 2016"):
        return Comparison(
            "20 sequences of val",
            "Published figures are of all 20 sequences of the DAVIS 2016 validation set, under the "
            "same protocol. Figures of fewer or other sequences do not compare with them.",
            DAVIS16_VAL,
        )
    sets = ("20 sequences of val", "30 sequences of test", "17 sequences of all")
    prefixes = ("DAVIS 2016", "FBMS", "ViSal")
    column = next((i for i, start in enumerate(prefixes) if ground_truth.startswith(start)), None)
    if column is None or protocol not in {"saliency", "fbms", "visal", "3dc-seg-published"}:
        return None
    if protocol == "3dc-seg-published":
        warning = (
            "F of 3DC-Seg is of the authors' protocol, which is this one: beta² = 1, all pixels in "
            "one pool. The others are as the paper lists them; their own papers average frames "
            "with beta² = 0.3, so that F does not compare."
        )
    else:
        warning = (
            "Only MAE is shown of the paper's Table 5. Its F is of another protocol "
            "(3dc-seg-published: beta² = 1, all pixels in one pool)."
        )
    rows = []
    for method, values in _SALIENCY.items():
        figures = {"MAE": values[2 * column + 1]}
        if protocol == "3dc-seg-published":
            figures["F1_max"] = values[2 * column] / 100
        rows.append(Published(method, TABLE_5, figures))
    return Comparison(sets[column], warning, tuple(rows))
