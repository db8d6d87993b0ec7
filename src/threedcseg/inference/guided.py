"""Guided upsampling: probabilities to the frame's size, with edges where the frame has them.

The fast guided filter of He and Sun (2015, arXiv 1505.00996): around every pixel of a small map
the probabilities are fitted by ``a * luma + b``; ``a`` and ``b``, which are smooth, are enlarged,
and the luma of the whole frame gives the detail.
"""

import cv2
import numpy as np

RADIUS = 2
"""Of the square windows of the fit, in pixels of the map at half its size, where it is made."""
EPSILON = 1e-3
"""Weighs against steep fits: the variance of luma, in [0, 1], below which an area is even."""
SURE = 0.05
"""Probabilities this near to 0 or 1 stay what they are: the fit is for edges."""


def upsample_guided(probabilities: np.ndarray, image: np.ndarray) -> np.ndarray:
    """``(h, w)`` float32 probabilities in [0, 1] to the size of ``image``, ``(H, W, 3)`` uint8 RGB.

    Returns ``(H, W)`` float32 in [0, 1].
    """
    half = tuple(max(1, side // 2) for side in probabilities.shape[::-1])
    height, width = image.shape[:2]
    enlarged = cv2.resize(probabilities, (width, height), interpolation=cv2.INTER_LINEAR)
    unsure = cv2.inRange(enlarged, SURE, 1 - SURE)
    if not cv2.countNonZero(unsure):
        return enlarged
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    slope, offset = _fit(
        cv2.resize(luma, half, interpolation=cv2.INTER_AREA).astype(np.float32) / 255,
        cv2.resize(probabilities, half, interpolation=cv2.INTER_AREA),
    )
    slope = cv2.resize(slope, (width, height), interpolation=cv2.INTER_LINEAR)
    offset = cv2.resize(offset, (width, height), interpolation=cv2.INTER_LINEAR)
    fitted = cv2.multiply(slope, luma, dst=slope, scale=1 / 255, dtype=cv2.CV_32F)
    fitted = cv2.add(fitted, offset, dst=fitted)
    cv2.copyTo(np.clip(fitted, 0, 1, out=fitted), unsure, enlarged)
    return enlarged


def _fit(luma: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset, ``(h, w)`` each, of the linear fits around every pixel, averaged."""
    mean_luma, mean_probability = _mean(luma), _mean(probabilities)
    covariance = _mean(luma * probabilities) - mean_luma * mean_probability
    variance = _mean(luma * luma) - mean_luma * mean_luma
    slope = covariance / (variance + EPSILON)
    return _mean(slope), _mean(mean_probability - slope * mean_luma)


def _mean(values: np.ndarray) -> np.ndarray:
    side = 2 * RADIUS + 1
    return cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE)
