"""The figures of the paper's Table 5, as the authors' evaluation has them, from counts of pixels.

All pixels go into one pool; F has beta^2 = 1 and is the best over every threshold that some pixel's
value gives, 0 included (where everything is foreground). The authors gave their DAVIS script
probabilities and their FBMS and ViSal scripts hard masks, and took the mean absolute error of
probabilities; here both figures are of the map that is given, and both are reported once more for
the mask. See DEVIATIONS.md.
"""

from dataclasses import dataclass

import numpy as np

from threedcseg.metrics.figure import Figure
from threedcseg.metrics.measure import Measure
from threedcseg.metrics.saliency import MAE_FIGURE

NUM_LEVELS = 1 << 16
"""Probabilities are counted to 16 bits; maps of 8 and 16 bits exactly."""


@dataclass(frozen=True)
class PixelCounts:
    """Numbers of pixels of the background and of the object, in some frames.

    ``levels``: ``(2, NUM_LEVELS)`` int64, by value; ``mask``: ``(2,)`` int64, where the binarised
    map is foreground.
    """

    levels: np.ndarray
    mask: np.ndarray

    @classmethod
    def of(cls, prediction: np.ndarray, mask: np.ndarray, truth: np.ndarray) -> "PixelCounts":
        """Of a map ``(H, W)``, of any kind, its mask and the true one, both ``(H, W)`` bool."""
        joint = _levels(prediction) + NUM_LEVELS * truth.astype(np.int64)
        levels = np.bincount(joint.ravel(), minlength=2 * NUM_LEVELS).reshape(2, NUM_LEVELS)
        hits = np.count_nonzero(mask & truth)
        return cls(levels, np.array([np.count_nonzero(mask) - hits, hits]))

    @classmethod
    def none(cls) -> "PixelCounts":
        """Of no frames."""
        return cls(np.zeros((2, NUM_LEVELS), np.int64), np.zeros(2, np.int64))

    def __add__(self, other: "PixelCounts") -> "PixelCounts":
        return PixelCounts(self.levels + other.levels, self.mask + other.mask)

    @property
    def num_object(self) -> int:
        return int(self.levels[1].sum())

    @property
    def area(self) -> int:
        return int(self.levels.sum())


def best_f1(counts: PixelCounts) -> float:
    """F with beta^2 = 1 at the best threshold."""
    above = np.cumsum(counts.levels[:, ::-1], axis=1)  # pixels at or above each level
    return float((2 * above[1] / np.maximum(above.sum(axis=0) + counts.num_object, 1)).max())


def f1_of_mask(counts: PixelCounts) -> float:
    """F with beta^2 = 1 of the binarised map."""
    false_positive, true_positive = map(int, counts.mask)
    return 2 * true_positive / max(false_positive + true_positive + counts.num_object, 1)


def mae(counts: PixelCounts) -> float:
    """Mean absolute error of the map."""
    levels = np.arange(NUM_LEVELS) / (NUM_LEVELS - 1)
    return float(counts.levels[0] @ levels + counts.levels[1] @ (1 - levels)) / counts.area


def mae_of_mask(counts: PixelCounts) -> float:
    """Mean absolute error of the binarised map: the share of pixels that are wrong."""
    false_positive, true_positive = map(int, counts.mask)
    return (false_positive + counts.num_object - true_positive) / counts.area


def _levels(prediction: np.ndarray) -> np.ndarray:
    """Values as int64 from 0 to ``NUM_LEVELS`` - 1."""
    if prediction.dtype.kind == "f":
        return np.rint(prediction * (NUM_LEVELS - 1)).astype(np.int64)
    largest = 1 if prediction.dtype == np.bool_ else np.iinfo(prediction.dtype).max
    return prediction.astype(np.int64) * ((NUM_LEVELS - 1) // largest)


F1_MAX = Measure("F1_max", (Figure("F1_max", symbol="F₁ max"),), best_f1)
POOLED_MAE = Measure("MAE", (MAE_FIGURE,), mae)
F1 = Measure("F1", (Figure("F1", symbol="F₁"),), f1_of_mask, curve="F-measure (beta² = 1)")
MAE_HARD = Measure(
    "MAE_hard",
    (Figure("MAE_hard", "fraction", lower_is_better=True, digits=3, symbol="MAE of masks"),),
    mae_of_mask,
)
