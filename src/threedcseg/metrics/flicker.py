"""Flicker: how much of a mask comes and goes from frame to frame without cause.

J and F look at one frame at a time: a mask that misses the left half in one frame and the right
half in the next scores as one that misses the same half always, and looks far worse. Our own
definition, for frames t - 1 and t with masks p and ground truths g (sets of pixels, 1 in both):

    appeared  = p_t - p_{t-1}     true ones  = g_t - g_{t-1}
    vanished  = p_{t-1} - p_t     true ones  = g_{t-1} - g_t
    unexplained = pixels that appeared (vanished) with none that truly appeared (vanished)
                  within the boundary tolerance r = ceil(0.008 * diagonal)
    flicker_t = |unexplained| / |p_{t-1} + p_t + g_{t-1} + g_t|         (0 where all are empty)

So flicker is 0 for the ground truth, for any error that stays where it is, and for a boundary that
is off by a constant few pixels and moves with the object; it is 1 for a mask that blinks on an
object at rest. The figure of a sequence is the mean over its pairs of frames.
"""

import cv2
import numpy as np

from threedcseg.metrics.boundary import boundary_tolerance, disk, window_of
from threedcseg.metrics.region import check_masks


def flicker(
    prediction: tuple[np.ndarray, np.ndarray],
    ground_truth: tuple[np.ndarray, np.ndarray],
    *,
    tolerance: int | None = None,
) -> float:
    """The flicker between two frames, in [0, 1].

    Args:
        prediction: the masks of the earlier and the later frame, ``(H, W)`` bool.
        ground_truth: the same of the ground truth.
        tolerance: r in pixels; by default `boundary_tolerance` of the shape.
    """
    check_masks(*prediction, *ground_truth)
    if tolerance is None:
        tolerance = boundary_tolerance(prediction[0].shape)
    window = window_of(*prediction, *ground_truth)
    if window is None:
        return 0.0
    (before, after), (truth_before, truth_after) = (
        [np.ascontiguousarray(mask[window]) for mask in pair] for pair in (prediction, ground_truth)
    )
    unexplained = _unexplained(before, after, truth_before, truth_after, tolerance)
    unexplained += _unexplained(after, before, truth_after, truth_before, tolerance)
    return unexplained / np.count_nonzero(before | after | truth_before | truth_after)


def _unexplained(
    before: np.ndarray,
    after: np.ndarray,
    truth_before: np.ndarray,
    truth_after: np.ndarray,
    tolerance: int,
) -> int:
    """How many pixels appeared with none that truly appeared within ``tolerance``."""
    appeared, truly = after & ~before, truth_after & ~truth_before
    explained = cv2.dilate(truly.view(np.uint8), disk(tolerance))
    return int(np.count_nonzero(appeared & (explained == 0)))
