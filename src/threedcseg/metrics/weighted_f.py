"""Weighted F: errors count less near an object that was half found, more far from any object.

Margolin et al., "How to evaluate foreground maps", 2014, with beta^2 = 1 as the field's kit has it.
Where the kit looks for the nearest object pixel of every pixel and blurs the whole image, only a
band of three pixels around the object decides anything.
"""

import cv2
import numpy as np

_REACH = 3
_FARTHEST = 4  # the nearest object pixel of the band is within 3 * sqrt(2), so at most 4 across
_SIGMA = 5.0
_HALF_LIFE = 5.0
_EPSILON = float(np.spacing(1))


def weighted_f_measure(prediction: np.ndarray, ground_truth: np.ndarray) -> float:
    """Weighted F of a map.

    Args:
        prediction: ``(H, W)`` float64 in [0, 1].
        ground_truth: ``(H, W)`` bool.

    Returns:
        The measure in [0, 1]; 0 where the ground truth is empty.
    """
    num_object = np.count_nonzero(ground_truth)
    if num_object == 0:
        return 0.0
    error = np.abs(prediction - ground_truth)
    background = (~ground_truth).view(np.uint8)
    distance = cv2.distanceTransform(background, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    distance = np.sqrt(np.rint(distance * distance))  # whole squares, but for OpenCV's rounding
    importance = 2 - np.exp2(distance / -_HALF_LIFE)  # 1 on the object
    false_positive = float(np.vdot(importance * background, error))
    missed = _forgiven(error, ground_truth)
    true_positive = num_object - missed
    recall = true_positive / num_object
    precision = true_positive / (true_positive + false_positive + _EPSILON)
    return float(2 * recall * precision / (recall + precision + _EPSILON))


def _forgiven(error: np.ndarray, ground_truth: np.ndarray) -> float:
    """The sum of errors on the object, each no more than what it is when blurred."""
    x, y, width, height = cv2.boundingRect(ground_truth.view(np.uint8))
    window = (
        slice(max(y - _REACH, 0), y + height + _REACH),
        slice(max(x - _REACH, 0), x + width + _REACH),
    )
    inside, error = np.ascontiguousarray(ground_truth[window]), error[window]
    taps = np.exp(-(np.arange(-_REACH, _REACH + 1.0) ** 2) / (2 * _SIGMA**2))
    taps /= taps.sum()
    extended = _extend(error, inside)
    blurred = cv2.sepFilter2D(extended, cv2.CV_64F, taps, taps, borderType=cv2.BORDER_CONSTANT)
    return float(np.minimum(error, blurred)[inside].sum())


def _extend(error: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """``error``, with each pixel of the band around the object having its nearest object pixel's.

    Of several at one distance the leftmost counts, then the topmost, as in SciPy's transform.
    """
    near = cv2.dilate(inside.view(np.uint8), np.ones((2 * _REACH + 1,) * 2, np.uint8)).view(bool)
    is_object, flat = np.pad(inside, _FARTHEST).ravel(), np.pad(error, _FARTHEST).ravel()
    stride = inside.shape[1] + 2 * _FARTHEST
    rows, columns = np.nonzero(near & ~inside)
    waiting = (rows + _FARTHEST) * stride + columns + _FARTHEST
    for step in _steps(stride):
        found = is_object[waiting + step]
        flat[waiting[found]] = flat[waiting[found] + step]
        waiting = waiting[~found]
        if not len(waiting):
            break
    extended = flat.reshape(-1, stride)[_FARTHEST:-_FARTHEST, _FARTHEST:-_FARTHEST]
    return np.ascontiguousarray(extended)


def _steps(stride: int) -> list[int]:
    """Steps in a flattened image to all pixels that may be the nearest, the nearest first."""
    span = range(-_FARTHEST, _FARTHEST + 1)
    offsets = sorted((x * x + y * y, x, y) for y in span for x in span)
    return [y * stride + x for square, x, y in offsets if 0 < square <= 2 * _REACH**2]
