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

import numpy as np

from threedcseg.metrics.bits import dilate, pack, stride_for
from threedcseg.metrics.boundary import boundary_tolerance
from threedcseg.metrics.figure import Figure
from threedcseg.metrics.measure import Measure
from threedcseg.metrics.pair import MaskPair, hull, window_of
from threedcseg.metrics.region import check_masks


def flicker(
    prediction: tuple[np.ndarray, np.ndarray],
    ground_truth: tuple[np.ndarray, np.ndarray],
    *,
    tolerance: int | None = None,
    window: tuple[slice, slice] | None = None,
) -> float:
    """The flicker between two frames, in [0, 1].

    Args:
        prediction: the masks of the earlier and the later frame, ``(H, W)`` bool.
        ground_truth: the same of the ground truth.
        tolerance: r in pixels; by default `boundary_tolerance` of the shape.
        window: a part of the image outside of which all four are empty, if it is known.
    """
    check_masks(*prediction, *ground_truth)
    if tolerance is None:
        tolerance = boundary_tolerance(prediction[0].shape)
    window = window or window_of(*prediction, *ground_truth)
    if window is None:
        return 0.0
    stride = stride_for(window[1].stop - window[1].start, tolerance)
    before, after, truth_before, truth_after = (
        pack(mask[window], stride) for mask in (*prediction, *ground_truth)
    )

    def unexplained(here: int, true: int) -> int:
        return (here & ~dilate(true, stride, tolerance)).bit_count()

    appeared = unexplained(after & ~before, truth_after & ~truth_before)
    vanished = unexplained(before & ~after, truth_before & ~truth_after)
    union = (before | after | truth_before | truth_after).bit_count()
    return (appeared + vanished) / union if union else 0.0


def _of_pairs(before: MaskPair, now: MaskPair) -> float:
    window = hull(before.window, now.window)
    return flicker((before.mask, now.mask), (before.truth, now.truth), window=window)


FLICKER = Measure("flicker", (Figure("flicker", lower_is_better=True),), _of_pairs, of_change=True)
