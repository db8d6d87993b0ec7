"""A predicted mask beside the true one, and the part of the image where anything happens."""

from dataclasses import dataclass
from functools import cached_property, reduce

import cv2
import numpy as np

Window = tuple[slice, slice]
"""Rows and columns of a part of an image."""


@dataclass(frozen=True)
class MaskPair:
    """A predicted mask and the true one of a frame, ``(H, W)`` bool."""

    mask: np.ndarray
    truth: np.ndarray

    @cached_property
    def window(self) -> Window | None:
        """The rectangle that holds both and their boundaries; None where both are empty."""
        return window_of(self.mask, self.truth)

    @cached_property
    def inside(self) -> tuple[np.ndarray, np.ndarray]:
        """Both within the window, contiguous; of no pixels where both are empty."""
        window = self.window or (slice(0), slice(0))
        return np.ascontiguousarray(self.mask[window]), np.ascontiguousarray(self.truth[window])


def window_of(*masks: np.ndarray) -> Window | None:
    """The rectangle that holds the boundaries of all masks; None where all masks are empty."""
    union = reduce(np.logical_or, masks)
    x, y, width, height = cv2.boundingRect(union.view(np.uint8))
    if width == 0:
        return None
    bottom, right = min(y + height + 1, union.shape[0]), min(x + width + 1, union.shape[1])
    return slice(max(y - 1, 0), bottom), slice(max(x - 1, 0), right)


def hull(one: Window | None, other: Window | None) -> Window | None:
    """The smallest window that holds both."""
    if one is None or other is None:
        return one or other
    (a, b), (c, d) = one, other
    return (
        slice(min(a.start, c.start), max(a.stop, c.stop)),
        slice(min(b.start, d.start), max(b.stop, d.stop)),
    )
