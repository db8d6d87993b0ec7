"""Where an object ends: alpha from masks or probabilities, moved and feathered."""

import cv2
import numpy as np

from threedcseg.video.writer import to_levels

_SOFT_LEVELS = to_levels((np.arange(256) / 255 - 0.05) / 0.9)


def hard_alpha(mask: np.ndarray) -> np.ndarray:
    """``(H, W)`` bool to uint8, 255 where the object is."""
    return np.where(mask, np.uint8(255), np.uint8(0))


def soft_alpha(probabilities: np.ndarray) -> np.ndarray:
    """``(H, W)`` float32 in [0, 1] to uint8: 5 % and less are 0, 95 % and more 255."""
    return _SOFT_LEVELS[to_levels(probabilities)]


def grown(values: np.ndarray, pixels: int) -> np.ndarray:
    """The object larger by ``pixels`` on all sides; smaller where they are below 0.

    ``values``: ``(H, W)`` mask, alpha or probabilities; bool, uint8 or float32, and so is the
    result. What the frame cuts off does not shrink there.
    """
    if pixels == 0:
        return values
    morph = cv2.dilate if pixels > 0 else cv2.erode
    out = values.view(np.uint8) if values.dtype == np.bool_ else values
    steps, rest = divmod(abs(pixels), 5)  # many small disks are nearly a large one, and faster
    for radius, times in ((5, steps), (rest, 1)):
        if radius and times:
            out = morph(out, disk(radius), iterations=times)
    return out.view(values.dtype)


def feathered(alpha: np.ndarray, pixels: int) -> np.ndarray:
    """``(H, W)`` uint8 whose edges fade over ``pixels`` more, half of them on either side."""
    if pixels == 0:
        return alpha
    sigma = pixels / 4  # two of them on either side are nearly all of a step
    return cv2.GaussianBlur(alpha, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def disk(radius: int) -> np.ndarray:
    """A disk for OpenCV, ``(2 radius + 1, 2 radius + 1)`` uint8."""
    across = np.arange(-radius, radius + 1)
    distance = across[:, None] ** 2 + across**2
    return (distance <= (radius + 0.25) ** 2).astype(np.uint8)
