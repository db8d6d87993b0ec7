"""The object's own colours at its half transparent edge, where the old background shines through.

Blur fusion (M. Forte, Approximate Fast Foreground Colour Estimation, ICIP 2021): the means of
object and background around each pixel, and what of the pixel they do not explain, shared out by
alpha. Here over smaller and smaller windows, with what is found of both taken to the next, and
means weighed by the square of alpha: of hair and of motion blur, no pixel is the object's alone.
`benchmarks/edges.py` measures both ways.
"""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

SMALLER = 4  # the widest means are smooth, and made of pictures so many times smaller
WINDOWS = (23, 11, 7, 5, 5), (7, 5, 3, 3)  # pixels a side: of those, and of the whole picture


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
    margin = SMALLER * WINDOWS[0][0] // 2
    box = (
        slice(max(0, y - margin), y + height + margin),
        slice(max(0, x - margin), x + width + margin),
    )
    most = np.iinfo(image.dtype).max
    part = image[box].astype(np.float32) / np.float32(most)
    colors = estimate_foreground(part, alpha[box].astype(np.float32) / 255)
    out = image.copy()
    cv2.copyTo(np.rint(most * colors).astype(image.dtype), rim[box], out[box])
    return out


def estimate_foreground(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The object's colours ``(H, W, 3)``; all is float32 in [0, 1], ``alpha`` ``(H, W)``."""
    height, width = alpha.shape
    size = -(-width // SMALLER), -(-height // SMALLER)
    small, share = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (image, alpha))
    object, background = _fused(cv2.split(small), cv2.split(small), small, share, WINDOWS[0])
    object, background = (
        cv2.split(cv2.resize(cv2.merge(each), (width, height))) for each in (object, background)
    )
    object, _ = _fused(object, background, image, alpha, WINDOWS[1])
    return cv2.merge(object)


Channels = Sequence[np.ndarray]
"""Those of a picture, ``(h, w)`` each."""


def _fused(
    object: Channels,
    background: Channels,
    image: np.ndarray,
    alpha: np.ndarray,
    sides: Iterable[int],
) -> tuple[Channels, Channels]:
    """Better colours of object and background from what is known of them, window by window."""
    shares = alpha, 1 - alpha
    weights = [share * share + np.float32(1e-5) for share in shares]
    for side in sides:
        totals = [cv2.blur(weight, (side, side)) for weight in weights]
        fused = []
        for values, *both in zip(cv2.split(image), object, background, strict=True):
            means = [
                cv2.blur(color * weight, (side, side)) / total
                for color, weight, total in zip(both, weights, totals, strict=True)
            ]
            rest = values - shares[0] * means[0] - shares[1] * means[1]
            fused.append([np.clip(m + s * rest, 0, 1) for m, s in zip(means, shares, strict=True)])
        object, background = zip(*fused, strict=True)
    return object, background
