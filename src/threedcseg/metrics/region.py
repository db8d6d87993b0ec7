"""J, the region similarity of DAVIS: intersection over union of two masks."""

from dataclasses import replace

import numpy as np

from threedcseg.metrics.measure import Measure, mean, statistics, with_statistics


def region_similarity(
    prediction: np.ndarray, ground_truth: np.ndarray, void: np.ndarray | None = None
) -> float:
    """Intersection over union of two masks; 1 where both are empty.

    Args:
        prediction: ``(H, W)`` bool.
        ground_truth: ``(H, W)`` bool.
        void: ``(H, W)`` bool, pixels that count in neither; None for no such pixels.

    Returns:
        J in [0, 1], as the DAVIS kit's ``db_eval_iou``.

    Raises:
        ValueError: an array is not ``(H, W)`` bool, or the shapes differ.
    """
    check_masks(prediction, ground_truth, void)
    if void is not None:
        prediction, ground_truth = prediction & ~void, ground_truth & ~void
    both = np.count_nonzero(prediction & ground_truth)
    union = np.count_nonzero(prediction) + np.count_nonzero(ground_truth) - both
    return both / union if union else 1.0


def check_masks(*masks: np.ndarray | None) -> None:
    """Raise ValueError unless all masks that are given are ``(H, W)`` bool and of one shape."""
    given = [mask for mask in masks if mask is not None]
    shapes = {mask.shape for mask in given}
    if len(shapes) != 1 or any(mask.dtype != np.bool_ or mask.ndim != 2 for mask in given):
        found = ", ".join(f"{mask.shape} {mask.dtype}" for mask in given)
        raise ValueError(f"expected (H, W) bool masks of one shape, got {found}")


J = Measure(
    "J",
    with_statistics("J"),
    lambda pair: region_similarity(*pair.inside),
    statistics,
    curve="region similarity J",
)
MEAN_J = replace(J, figures=J.figures[:1], summarise=mean)
