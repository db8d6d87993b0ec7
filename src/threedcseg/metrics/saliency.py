"""The measures of salient object detection: MAE, F, S and E, as the field's kit has them.

All of these depend on a map only through how many pixels of the object and of the background have
which value, in the whole image and (for S) in four rectangles of it. So pixels are counted once,
and every threshold is a look into the counts. The kit's defaults: each map is first stretched to
the whole of [0, 1] (``normalise``), beta^2 is 0.3, curves have 256 thresholds.

Sources: F, Achanta et al. 2009; S, Fan et al. 2017; E, Fan et al. 2018; MAE, Perazzi et al. 2012;
PySODMetrics for what the papers leave open.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from threedcseg.metrics.figure import Figure
from threedcseg.metrics.measure import Measure
from threedcseg.metrics.pair import MaskPair
from threedcseg.metrics.weighted_f import weighted_f_measure

BETA_SQUARED = 0.3
NUM_THRESHOLDS = 256
_EPSILON = float(np.spacing(1))


@dataclass(frozen=True)
class SaliencyMeasures:
    """The measures of one map; curves are ``(256,)`` float64, from threshold 255 down to 0."""

    mae: float
    s_measure: float
    weighted_f: float
    adaptive_f: float
    adaptive_e: float
    f_curve: np.ndarray
    e_curve: np.ndarray


def saliency_measures(
    prediction: np.ndarray, ground_truth: np.ndarray, *, normalise: bool = True
) -> SaliencyMeasures:
    """Measure a saliency map.

    Args:
        prediction: ``(H, W)`` uint8, uint16, bool or floats in [0, 1].
        ground_truth: ``(H, W)`` bool.
        normalise: stretch the map so that it reaches from 0 to 1, unless it is constant.
    """
    levels, index = _levels(prediction)
    if normalise:
        low, high = levels[index.min()], levels[index.max()]
        if low != high:
            levels = (levels - low) / (high - low)
    quarters = _count_quarters(index, ground_truth, len(levels))
    counts = quarters.sum(axis=0)  # (2, L): background and object, by level
    area = ground_truth.size

    # Adaptive threshold: twice the mean
    threshold = min(2 * float(counts.sum(axis=0) @ levels) / area, 1.0)
    above = counts[:, levels >= threshold].sum(axis=1)

    # Curves: pixels at or above each of 256 thresholds, the highest first
    bins = np.clip(levels * 255, 0, 255).astype(np.uint8)
    histograms = [np.bincount(bins, weights=c, minlength=NUM_THRESHOLDS) for c in counts]
    curve = np.cumsum(np.stack(histograms)[:, ::-1], axis=1)  # (2, 256)

    num_object = int(counts[1].sum())
    return SaliencyMeasures(
        mae=float(counts[0] @ levels + counts[1] @ (1 - levels)) / area,
        s_measure=_s_measure(quarters, levels),
        weighted_f=weighted_f_measure(levels[index], ground_truth),
        adaptive_f=float(_f_measure(above, num_object)),
        adaptive_e=float(_e_measure(above, num_object, area)),
        f_curve=_f_measure(curve, num_object),
        e_curve=_e_measure(curve, num_object, area),
    )


def _levels(prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values a map may take, ascending floats in [0, 1], and which one each pixel has."""
    if prediction.dtype == np.bool_:
        return np.array([0.0, 1.0]), prediction.view(np.uint8)
    if prediction.dtype.kind == "u":
        largest = np.iinfo(prediction.dtype).max
        return np.arange(largest + 1) / largest, prediction
    levels, index = np.unique(prediction, return_inverse=True)
    return levels.astype(np.float64), index.reshape(prediction.shape)


def _count_quarters(index: np.ndarray, ground_truth: np.ndarray, num_levels: int) -> np.ndarray:
    """``(4, 2, L)`` int64: pixels by quarter of the image, class and level.

    The quarters meet at the centroid of the object, or at the image's centre if there is none.
    """
    height, width = ground_truth.shape
    rows, columns = ground_truth.sum(axis=1), ground_truth.sum(axis=0)
    total = int(rows.sum())
    if total:
        y = int(np.round(rows @ np.arange(height) / total)) + 1
        x = int(np.round(columns @ np.arange(width) / total)) + 1
    else:
        y, x = int(np.round(height / 2)) + 1, int(np.round(width / 2)) + 1
    joint = index + num_levels * ground_truth.astype(np.int64)
    quarters = (joint[:y, :x], joint[:y, x:], joint[y:, :x], joint[y:, x:])
    counted = [np.bincount(quarter.ravel(), minlength=2 * num_levels) for quarter in quarters]
    return np.stack(counted).reshape(4, 2, num_levels)


def _f_measure(above: np.ndarray, num_object: int) -> np.ndarray:
    """F from the numbers of background and object pixels above a threshold, ``(2, ...)``."""
    false, true = above
    precision = true / np.maximum(true + false, 1)
    recall = true / max(num_object, 1)
    denominator = BETA_SQUARED * precision + recall
    product = (1 + BETA_SQUARED) * precision * recall
    return product / np.where(denominator == 0, 1, denominator)


def _e_measure(above: np.ndarray, num_object: int, area: int) -> np.ndarray:
    """E from the numbers of background and object pixels above a threshold, ``(2, ...)``."""
    false, true = above
    positive = true + false
    if num_object == 0:
        enhanced = area - positive
    elif num_object == area:
        enhanced = positive
    else:
        mean, truth_mean = positive / area, num_object / area
        missed = num_object - true
        enhanced = np.zeros(np.shape(positive))
        for number, ours, theirs in (
            (true, 1 - mean, 1 - truth_mean),
            (false, 1 - mean, -truth_mean),
            (missed, -mean, 1 - truth_mean),
            (area - positive - missed, -mean, -truth_mean),
        ):
            alignment = 2 * ours * theirs / (ours**2 + theirs**2 + _EPSILON)
            enhanced = enhanced + number * (alignment + 1) ** 2 / 4
    return enhanced / (area - 1 + _EPSILON)


def _s_measure(quarters: np.ndarray, levels: np.ndarray) -> float:
    """Structure: half how uniform object and background are, half SSIM of the four quarters."""
    background, foreground = quarters.sum(axis=0)
    num_object, area = int(foreground.sum()), int(quarters.sum())
    mean = float((background + foreground) @ levels) / area
    if num_object == 0:
        return 1 - mean
    if num_object == area:
        return mean
    share = num_object / area
    uniform = share * _uniformity(foreground, levels)
    uniform += (1 - share) * _uniformity(background, 1 - levels)
    similar = sum(_ssim(quarter, levels) * quarter.sum() / area for quarter in quarters)
    return max(0.0, (uniform + similar) / 2)


def _uniformity(counts: np.ndarray, levels: np.ndarray) -> float:
    number = counts.sum()
    mean = float(counts @ levels) / number
    deviation = np.sqrt(_variance(counts, levels, mean))
    return float(2 * mean / (mean**2 + 1 + deviation + _EPSILON))


def _ssim(counts: np.ndarray, levels: np.ndarray) -> float:
    """Structural similarity of a map and the truth in a quarter, counted as ``(2, L)``."""
    number = counts.sum()
    if number == 0:
        return 0.0
    everything = counts.sum(axis=0)
    x, y = float(everything @ levels) / number, float(counts[1].sum()) / number
    variance = _variance(everything, levels, x)
    truth_variance = _variance(counts.sum(axis=1), np.array([0.0, 1.0]), y)
    differences = levels - x
    joint = (1 - y) * float(counts[1] @ differences) - y * float(counts[0] @ differences)
    covariance = joint / max(number - 1, 1)
    above, below = 4 * x * y * covariance, (x**2 + y**2) * (variance + truth_variance)
    if above != 0:
        return above / (below + _EPSILON)
    return float(below == 0)


def _variance(counts: np.ndarray, levels: np.ndarray, mean: float) -> float:
    """The sample variance; exactly 0 where there is one value only."""
    if np.count_nonzero(counts) <= 1:
        return 0.0
    return float(counts @ (levels - mean) ** 2) / (counts.sum() - 1)


@dataclass(frozen=True)
class MapPair(MaskPair):
    """A map ``values``, as `saliency_measures` takes it, with its mask and the true one."""

    values: np.ndarray
    normalise: bool

    @cached_property
    def saliency(self) -> SaliencyMeasures:
        return saliency_measures(self.values, self.truth, normalise=self.normalise)


def _best_and_mean(curves: np.ndarray) -> tuple[float, ...]:
    """Of the mean of ``(T, 256)`` curves."""
    curve = curves.mean(axis=0)
    return float(curve.max()), float(curve.mean())


MAE_FIGURE = Figure("MAE", "fraction", lower_is_better=True, digits=3)
MAE = Measure("MAE", (MAE_FIGURE,), lambda pair: pair.saliency.mae)
S = Measure("S", (Figure("S"),), lambda pair: pair.saliency.s_measure)
F_CURVE = Measure(
    "Fbeta",
    (Figure("Fbeta_max", symbol="Fβ max"), Figure("Fbeta_mean", symbol="Fβ mean")),
    lambda pair: pair.saliency.f_curve,
    _best_and_mean,
)
ADAPTIVE_F = Measure(
    "Fbeta_adaptive",
    (Figure("Fbeta_adaptive", symbol="Fβ adaptive"),),
    lambda pair: pair.saliency.adaptive_f,
)
WEIGHTED_F = Measure(
    "Fbeta_w", (Figure("Fbeta_w", symbol="Fβ weighted"),), lambda pair: pair.saliency.weighted_f
)
E_CURVE = Measure(
    "E", (Figure("E_max"), Figure("E_mean")), lambda pair: pair.saliency.e_curve, _best_and_mean
)
ADAPTIVE_E = Measure("E_adaptive", (Figure("E_adaptive"),), lambda pair: pair.saliency.adaptive_e)
