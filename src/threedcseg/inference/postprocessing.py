"""Optional cleaning of probabilities: small regions away, and a median over time."""

from collections import deque
from collections.abc import Iterable, Iterator

import cv2
import numpy as np


def median_over_time(maps: Iterable[np.ndarray], length: int) -> Iterator[np.ndarray]:
    """Each map of a stream as the median of the ``length`` maps around it, pixel by pixel.

    ``length`` is odd; at either end, the first or last map counts as often as maps are missing.
    Holds ``length`` maps; each comes out ``length // 2`` maps after it went in.
    """
    around: deque[np.ndarray] = deque(maxlen=length)
    for values in _padded(maps, length // 2):
        around.append(values)
        if len(around) == length:
            yield _median(around)


def _padded(maps: Iterable[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """The maps, with ``count`` copies of the first before and of the last after them."""
    last = None
    for values in maps:
        yield from [values] * (count if last is None else 0)
        yield values
        last = values
    if last is not None:
        yield from [last] * count


def _median(maps: Iterable[np.ndarray]) -> np.ndarray:
    """Of an odd number of maps."""
    ordered = np.sort(np.stack(list(maps)), axis=0)
    middle: np.ndarray = ordered[len(ordered) // 2]
    return middle


def drop_regions(
    probabilities: np.ndarray, threshold: float, keep_largest: int | None, drop_specks: float
) -> np.ndarray:
    """Set to 0 what belongs to regions that are not wanted; regions touch at corners, too.

    ``probabilities``: ``(H, W)`` float32. A region is where they exceed ``threshold``; of two of
    the same size, the upper one counts as larger. ``keep_largest`` regions stay, of those with at
    least the share ``drop_specks`` of all pixels. With a region goes its soft border: all that is
    nearer to it than to a region that stays.
    """
    if keep_largest is None and not drop_specks:
        return probabilities
    mask = probabilities > threshold
    if not mask.any():
        return probabilities
    _, nearest = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_CCOMP
    )
    areas = np.bincount(nearest[mask])
    largest = np.argsort(-areas, kind="stable")[:keep_largest]
    stays = np.zeros(len(areas), bool)
    stays[largest] = areas[largest] >= drop_specks * mask.size
    return np.where(stays[nearest], probabilities, np.float32(0))
