"""The object's own colours at its half transparent edge, where the old background shines through.

Blur fusion (M. Forte, Approximate Fast Foreground Colour Estimation, ICIP 2021), twice: the means
of object and background around each pixel, weighed by alpha, then what of the pixel itself they do
not explain.
"""

import cv2
import numpy as np

_WIDE, _NARROW = 90, 6  # pixels, the sides of the two windows of means
_WIDE_AT = 4  # the wide means are smooth, and made of pictures so many times smaller


def foreground_colors(image: np.ndarray, alpha: np.ndarray, reach: int = 0) -> np.ndarray:
    """``(H, W, 3)`` RGB, ``image`` with the object's colours where ``alpha`` is between 0 and 255,
    and up to ``reach`` pixels outside.

    ``image`` is uint8 or uint16, and so is the result; ``alpha`` ``(H, W)`` uint8. Where alpha is
    0 and 255 only, it is ``image`` itself.
    """
    rim = cv2.inRange(alpha, 1, 254)
    if not cv2.countNonZero(rim):
        return image
    side = 2 * reach + 1
    rim = cv2.dilate(rim, np.ones((side, side), np.uint8))
    rim[alpha == 255] = 0
    x, y, width, height = cv2.boundingRect(rim)
    margin = max(_WIDE, reach)
    box = (
        slice(max(0, y - margin), y + height + margin),
        slice(max(0, x - margin), x + width + margin),
    )
    part, share = image[box].astype(np.float32), alpha[box].astype(np.float32) / 255
    small_part, small_share = _smaller(part), _smaller(share)
    size = part.shape[1], part.shape[0]
    object, background = (
        cv2.resize(each, size)
        for each in _fused(small_part, small_part, small_part, small_share, _WIDE // _WIDE_AT)
    )
    colors, _ = _fused(object, background, part, share, _NARROW)
    colors = np.rint(np.clip(colors, 0, np.iinfo(image.dtype).max)).astype(image.dtype)
    out = image.copy()
    cv2.copyTo(colors, rim[box], out[box])
    return out


def _smaller(values: np.ndarray) -> np.ndarray:
    height, width = values.shape[:2]
    size = -(-width // _WIDE_AT), -(-height // _WIDE_AT)
    return cv2.resize(values, size, interpolation=cv2.INTER_AREA)


def _fused(
    object: np.ndarray, background: np.ndarray, image: np.ndarray, alpha: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Better colours of object and background, ``(h, w, 3)`` each, from what is known of them."""
    window = side, side
    mean_alpha, alpha = cv2.blur(alpha, window)[..., None], alpha[..., None]
    near_object = cv2.blur(object * alpha, window) / (mean_alpha + 1e-5)
    near_background = cv2.blur(background * (1 - alpha), window) / (1 - mean_alpha + 1e-5)
    rest = image - alpha * near_object - (1 - alpha) * near_background
    return near_object + alpha * rest, near_background
