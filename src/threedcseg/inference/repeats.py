"""Frames that repeat the one before, which are seen once.

Much animation, telecined film, screen recordings and conversions of frame rates have every frame
twice or more often. A network that looks for what moves between neighbours would see that nothing
does, in half of them (docs/quality.md).
"""

import cv2
import numpy as np

CELLS = (64, 36)
"""Columns and rows, over each of which differences are averaged: 8x8 pixels at 512x288."""
ALIKE = 6
"""Gray levels, of 255, by which no cell of a repetition differs more.

Frames that came twice before H.264 encoded them at CRF 23 differ by up to 6; successive ones of
DAVIS (dev) by 63 at least.
"""
CONTRAST = 0.15
"""The same as a share of the contrast, the standard deviation of the picture, where it is low."""
MOST = 3
"""So many repetitions in a row at most: of a still scene, every fourth frame is seen."""


class Repeats:
    """Tells of each picture ``(h, w, 3)`` uint8, all of one size, whether it repeats the last one
    that did not; of ``most`` in a row at most."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._last: np.ndarray | None = None
        self._count = 0

    def __call__(self, picture: np.ndarray) -> bool:
        if self._last is not None and self._count < self.most and alike(self._last, picture):
            self._count += 1
            return True
        self._last, self._count = picture, 0
        return False


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether pictures ``(h, w, 3)`` uint8 differ by `ALIKE` and `CONTRAST` at most, everywhere."""
    off = cv2.resize(cv2.absdiff(one, other), CELLS, interpolation=cv2.INTER_AREA)
    contrast = one[4::8, 4::8].std()  # every 64th pixel will do
    return bool(off.max() <= min(ALIKE, CONTRAST * contrast))
