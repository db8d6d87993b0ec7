"""Optional post-processing of probabilities: a median over time, and small regions dropped."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import cv2
import numpy as np
import torch

from threedcseg.inference.resizing import PictureT

FrameT = TypeVar("FrameT")
FrameMap = tuple[FrameT, PictureT]
"""A frame, whatever stands for it, and its map ``(h, w)`` float32."""


def median_over_time(
    maps: Iterable[FrameMap[FrameT, PictureT]], length: int
) -> Iterator[FrameMap[FrameT, PictureT]]:
    """Each frame of a stream with the median of the ``length`` maps around it, pixel by pixel.

    ``length`` is odd; at either end, the first or last map counts as often as maps are missing.
    Holds ``length`` maps; each comes out ``length // 2`` maps after it went in.
    """
    awaited: deque[FrameT] = deque()
    around: deque[PictureT] = deque(maxlen=length)
    for frame, values in maps:
        awaited.append(frame)
        around.extend([values] * (1 if around else length // 2 + 1))
        if len(around) == length:
            yield awaited.popleft(), _median(around)
    while awaited:
        around.append(around[-1])
        if len(around) == length:
            yield awaited.popleft(), _median(around)


def _median(maps: Iterable[PictureT]) -> PictureT:
    """Of an odd number of maps."""
    several: Any = list(maps)
    middle: Any
    if isinstance(several[0], np.ndarray):
        middle = np.sort(np.stack(several), axis=0)[len(several) // 2]
    else:
        middle = torch.stack(several).median(0).values
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
