"""Published figures to stand beside one's own, and what they were measured on."""

from collections.abc import Mapping
from dataclasses import dataclass

from threedcseg.published import SETS, SINCE, TABLE_4, TABLE_5


@dataclass(frozen=True)
class Published:
    """Figures of a method on a whole set, fractions of 1 as in our own results."""

    method: str
    source: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """Published figures that may stand in a table of a protocol and a data set.

    ``measured_on``: the whole set that all of them are of. ``warning``: what sets them apart.
    """

    measured_on: str
    warning: str
    rows: tuple[Published, ...] = ()


_MEASURED_ON = ("20 sequences of val", "30 sequences of test", "17 sequences of all")


def published_for(protocol: str, ground_truth: str) -> Comparison | None:
    """What was published under a protocol, on the set that the ground truth belongs to, if any."""
    known = next((name for name in SETS if ground_truth.startswith(name)), None)
    if known is None:
        return None
    measured_on = _MEASURED_ON[SETS.index(known)]
    if protocol == "davis16" and known == "DAVIS 2016":
        since = (Published(method, "its paper", figures) for method, figures in SINCE.items())
        paper = (Published(name, "paper, Table 4", figures) for name, figures in TABLE_4.items())
        return Comparison(
            measured_on,
            "Published figures are of all 20 sequences of the DAVIS 2016 validation set, under the "
            "same protocol. Figures of fewer or other sequences do not compare with them.",
            (*since, *paper),
        )
    if protocol not in {"saliency", "fbms", "visal", "3dc-seg-published"}:
        return None
    pooled = protocol == "3dc-seg-published"
    warning = (
        "F of 3DC-Seg is of the authors' protocol, which is this one: beta² = 1, all pixels in "
        "one pool. The others are as the paper lists them; their own papers average frames "
        "with beta² = 0.3, so that F does not compare."
        if pooled
        else "Only MAE is shown of the paper's Table 5. Its F is of another protocol "
        "(3dc-seg-published: beta² = 1, all pixels in one pool)."
    )
    rows = []
    for method, of_sets in TABLE_5.items():
        f, mae = of_sets[known]
        figures = {"MAE": mae, "F1_max": f} if pooled else {"MAE": mae}
        rows.append(Published(method, "paper, Table 5", figures))
    return Comparison(measured_on, warning, tuple(rows))
