"""F, the boundary measure of DAVIS: do the contours of two masks agree within a tolerance?

The kit dilates boundary maps of the full size with a disk. All that matters lies in the rectangle
around both boundaries, so the same is done there, in 8 bits: the numbers are the same.
"""

from functools import lru_cache
from math import ceil, hypot

import cv2
import numpy as np

from threedcseg.metrics.region import check_masks

TOLERANCE = 0.008
"""Share of the image's diagonal within which two boundary pixels are taken for the same."""


def boundary_f_measure(
    prediction: np.ndarray,
    ground_truth: np.ndarray,
    void: np.ndarray | None = None,
    *,
    tolerance: int | None = None,
) -> float:
    """Harmonic mean of the precision and recall of a mask's boundary.

    Args:
        prediction: ``(H, W)`` bool.
        ground_truth: ``(H, W)`` bool.
        void: ``(H, W)`` bool, pixels that are background in both; None for no such pixels.
        tolerance: distance in pixels; by default `boundary_tolerance` of the shape.

    Returns:
        F in [0, 1], as the DAVIS kit's ``db_eval_boundary``: 1 where neither has a boundary, 0
        where one has none. A mask that covers the whole image has no boundary.

    Raises:
        ValueError: an array is not ``(H, W)`` bool, or the shapes differ.
    """
    check_masks(prediction, ground_truth, void)
    if void is not None:
        prediction, ground_truth = prediction & ~void, ground_truth & ~void
    if tolerance is None:
        tolerance = boundary_tolerance(prediction.shape)
    window = window_of(prediction, ground_truth)
    if window is None:
        return 1.0
    ours, theirs = boundary_map(prediction[window]), boundary_map(ground_truth[window])
    num_ours, num_theirs = cv2.countNonZero(ours), cv2.countNonZero(theirs)
    if num_ours == 0 or num_theirs == 0:
        return float(num_ours == num_theirs)
    reach = disk(tolerance)
    precision = cv2.countNonZero(ours & cv2.dilate(theirs, reach)) / num_ours
    recall = cv2.countNonZero(theirs & cv2.dilate(ours, reach)) / num_theirs
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary_tolerance(shape: tuple[int, ...]) -> int:
    """The tolerance in pixels for an image ``(H, W)``: 8 at 480p."""
    return ceil(TOLERANCE * hypot(*shape))


def boundary_map(mask: np.ndarray) -> np.ndarray:
    """Where a mask and its neighbours to the east, south and southeast are not all the same.

    ``(H, W)`` bool to ``(H, W)`` uint8 {0, 1}. Neighbours outside of the image count for nothing:
    the edge of the image is no boundary.
    """
    mask = np.ascontiguousarray(mask).view(np.uint8)
    square = np.ones((2, 2), np.uint8)
    return cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, square, anchor=(0, 0))


def window_of(*masks: np.ndarray) -> tuple[slice, slice] | None:
    """The rectangle that holds the boundaries of all masks; None where all masks are empty."""
    boxes = [cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8)) for mask in masks]
    boxes = [box for box in boxes if box[2]]
    if not boxes:
        return None
    left, top = min(x for x, _, _, _ in boxes), min(y for _, y, _, _ in boxes)
    right, bottom = max(x + w for x, _, w, _ in boxes), max(y + h for _, y, _, h in boxes)
    return slice(max(top - 1, 0), bottom + 1), slice(max(left - 1, 0), right + 1)


@lru_cache(maxsize=8)
def disk(radius: int) -> np.ndarray:
    """All points within ``radius`` of the centre: ``(2 radius + 1,) * 2`` uint8 {0, 1}."""
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return (x * x + y * y <= radius * radius).astype(np.uint8)
