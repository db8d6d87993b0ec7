"""Post-processing of probabilities: a median over time, regions that are not wanted dropped."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import cv2
import numpy as np
import torch

from threedcseg.inference.resizing import PictureT, resize

MEMORY = 0.9
"""What was said of a frame counts so much of what is said of the next one."""
BORDER = 0.4
"""By so much less sure is a pixel at the border of a region than one inside."""

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


def drop_unsure(
    maps: Iterable[FrameMap[FrameT, np.ndarray]], threshold: float, least: float, short_edge: int
) -> Iterator[FrameMap[FrameT, np.ndarray]]:
    """Each frame of a shot without the regions of its mask that the network is not sure of.

    A region is one of `drop_regions`; what is decided is decided at a short edge of ``short_edge``
    pixels. How sure it is, is the mean of the probabilities over its pixels, in this frame and, as
    far as these were foreground, in those before. It stays where that reaches ``least``, less
    `BORDER` times the share of its pixels at its border. One always stays: the one that has the
    most above ``threshold``, summed over the same pixels and frames. With ``least`` 0, all do.
    """
    total = seen = np.zeros((1, 1), np.float32)
    for frame, probabilities in maps:
        if least:
            small = _shrunk(probabilities, short_edge)
            mask = small > threshold
            total = total * np.float32(MEMORY) + np.where(mask, small, np.float32(0))
            seen = seen * np.float32(MEMORY) + mask
            stays = _sure(mask, total, seen, threshold, least)
            if stays is not None:
                size = probabilities.shape[::-1]
                stays = cv2.resize(stays.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
                probabilities = np.where(stays, probabilities, np.float32(0))
        yield frame, probabilities


def _shrunk(probabilities: np.ndarray, short_edge: int) -> np.ndarray:
    scale = short_edge / min(probabilities.shape)
    if scale >= 1:
        return probabilities
    height, width = (max(1, round(side * scale)) for side in probabilities.shape)
    return resize(probabilities, (height, width), "area")


def _sure(
    mask: np.ndarray, total: np.ndarray, seen: np.ndarray, threshold: float, least: float
) -> np.ndarray | None:
    """``(h, w)`` bool: what is nearest to a region that stays; None where all of them do."""
    regions, _ = cv2.connectedComponents(mask.view(np.uint8))
    if regions <= 2:  # with the background
        return None
    nearest = _nearest_region(mask)
    inner = cv2.erode(mask.view(np.uint8), np.ones((3, 3), np.uint8))
    of = nearest[mask]
    border = 1 - np.bincount(of, inner[mask]) / np.bincount(of)
    certainty, count = np.bincount(of, total[mask]), np.bincount(of, seen[mask])
    stays = certainty / count + BORDER * border >= least
    stays[np.argmax(certainty - threshold * count)] = True
    return None if stays.all() else stays[nearest]


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
    nearest = _nearest_region(mask)
    areas = np.bincount(nearest[mask])
    largest = np.argsort(-areas, kind="stable")[:keep_largest]
    stays = np.zeros(len(areas), bool)
    stays[largest] = areas[largest] >= drop_specks * mask.size
    return np.where(stays[nearest], probabilities, np.float32(0))


def _nearest_region(mask: np.ndarray) -> np.ndarray:
    """``(H, W)`` int32: for each pixel the number, from 0, of the nearest connected region."""
    _, nearest = cv2.distanceTransformWithLabels(
        (~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_CCOMP
    )
    return nearest - 1
