"""F, the boundary measure of DAVIS: do the contours of two masks agree within a tolerance?

The kit dilates boundary maps of the full size with a disk. All that matters lies in the rectangle
around both boundaries, so the same is done there, on masks packed into bits: the numbers are the
same.
"""

from dataclasses import dataclass
from math import ceil, hypot

import cv2
import numpy as np

from threedcseg.metrics.bits import dilate, pack, stride_for
from threedcseg.metrics.measure import Measure, statistics, with_statistics
from threedcseg.metrics.pair import MaskPair, window_of
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
    return agreement(
        Outline.of(prediction[window], tolerance), Outline.of(ground_truth[window], tolerance)
    )


@dataclass(frozen=True)
class Outline:
    """The boundary of a mask, and all that is within the tolerance of it, as `bits`."""

    boundary: int
    surroundings: int

    @classmethod
    def of(cls, mask: np.ndarray, tolerance: int) -> "Outline":
        """The outline of ``(H, W)`` bool; outlines of one shape and tolerance compare."""
        stride = stride_for(mask.shape[1], tolerance)
        boundary = pack(boundary_map(mask), stride)
        return cls(boundary, dilate(boundary, stride, tolerance))


def agreement(ours: Outline, theirs: Outline) -> float:
    """F of two outlines."""
    num_ours, num_theirs = ours.boundary.bit_count(), theirs.boundary.bit_count()
    if num_ours == 0 or num_theirs == 0:
        return float(num_ours == num_theirs)
    precision = (ours.boundary & theirs.surroundings).bit_count() / num_ours
    recall = (theirs.boundary & ours.surroundings).bit_count() / num_theirs
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


def _of_pair(pair: MaskPair) -> float:
    if pair.window is None:
        return 1.0
    tolerance = boundary_tolerance(pair.mask.shape)
    ours, theirs = (Outline.of(mask, tolerance) for mask in pair.inside)
    return agreement(ours, theirs)


F = Measure("F", with_statistics("F"), _of_pair, statistics, curve="contour accuracy F")
