"""Guided upsampling: probabilities to the frame's size, with edges where the frame has them.

The fast guided filter of He and Sun (2015, arXiv 1505.00996): around every pixel of a small map
the probabilities are fitted by ``a * luma + b``; ``a`` and ``b``, which are smooth, are enlarged,
and the luma of the whole frame gives the detail.
"""

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from threedcseg.inference.resizing import Picture, PictureT, resize

RADIUS = 2
"""Of the square windows of the fit, in pixels of the map at half its size, where it is made."""
EPSILON = 1e-3
"""Weighs against steep fits: the variance of luma, in [0, 1], below which an area is even."""
SURE = 0.05
"""Probabilities this near to 0 or 1 stay what they are: the fit is for edges."""
_RED, _GREEN, _BLUE = 9798 / 2**15, 19235 / 2**15, 3735 / 2**15


def upsample_guided(probabilities: PictureT, image: PictureT) -> PictureT:
    """``(h, w)`` float32 probabilities in [0, 1] to the size of ``image``, ``(H, W, 3)`` uint8 RGB.

    Returns ``(H, W)`` float32 in [0, 1]. In float32 also on a GPU, without products of matrices,
    which it may take in TF32: an error of a thousandth is multiplied by the fit.
    """
    values: Any = probabilities
    found: Any
    if isinstance(image, np.ndarray):
        found = _of_arrays(values, image)
    else:
        found = _of_tensors(values, image)
    return found


def _of_arrays(probabilities: np.ndarray, image: np.ndarray) -> np.ndarray:
    size = image.shape[0], image.shape[1]
    enlarged = resize(probabilities, size, "linear")
    unsure = cv2.inRange(enlarged, SURE, 1 - SURE)
    if not cv2.countNonZero(unsure):
        return enlarged
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    slope, offset = (
        resize(x, size, "linear") for x in _fit(luma.astype(np.float32), probabilities)
    )
    fitted = cv2.multiply(slope, luma, dst=slope, scale=1 / 255, dtype=cv2.CV_32F)
    fitted = cv2.add(fitted, offset, dst=fitted)
    cv2.copyTo(np.clip(fitted, 0, 1, out=fitted), unsure, enlarged)
    return enlarged


def _of_tensors(probabilities: Tensor, image: Tensor) -> Tensor:
    size = image.shape[0], image.shape[1]
    enlarged = resize(probabilities, size, "linear")
    red, green, blue = image.unbind(-1)
    luma = (red * _RED + green * _GREEN + blue * _BLUE + 0.5).floor()  # exact, as OpenCV's integers
    slope, offset = (resize(x, size, "linear") for x in _fit(luma, probabilities))
    fitted = (slope * luma / 255 + offset).clamp(0, 1)
    unsure = (enlarged >= SURE) & (enlarged <= 1 - SURE)
    return torch.where(unsure, fitted, enlarged)


def _fit(image: Any, map_: Any) -> tuple[Any, Any]:
    """Slope and offset of the linear fits around every pixel, averaged: ``(h / 2, w / 2)`` each.

    From luma ``(H, W)`` float32 of 0 to 255, for slopes of 1 a unit of luma in [0, 1], and
    probabilities ``(h, w)``.
    """
    half = tuple(max(1, side // 2) for side in map_.shape)
    luma, probabilities = resize(image, half, "area") / 255, resize(map_, half, "area")
    mean_luma, mean_probability = _mean(luma), _mean(probabilities)
    covariance = _mean(luma * probabilities) - mean_luma * mean_probability
    variance = _mean(luma * luma) - mean_luma * mean_luma
    slope = covariance / (variance + EPSILON)
    return _mean(slope), _mean(mean_probability - slope * mean_luma)


def _mean(values: Picture) -> Picture:
    side = 2 * RADIUS + 1
    if isinstance(values, np.ndarray):
        return cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE)
    return F.avg_pool2d(F.pad(values[None], [RADIUS] * 4, mode="replicate"), side, stride=1)[0]
