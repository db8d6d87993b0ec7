"""Masks as integers: a bit a pixel, row after row, with a gap behind each row.

On Python's integers a set operation is one instruction per 30 pixels and a shift moves the whole
mask, so that a dilation by a disk costs some tens of microseconds. The gap takes up what is shifted
beyond the end of a row.
"""

from math import isqrt

import numpy as np


def stride_for(width: int, reach: int) -> int:
    """Bits from one row to the next, for masks that will be dilated by at most ``reach``."""
    return -(-(width + reach) // 8) * 8


def pack(mask: np.ndarray, stride: int) -> int:
    """``(H, W)`` bool or uint8 {0, 1} to an integer; pixel (y, x) is bit ``y * stride + x``."""
    height, width = mask.shape
    padded = np.zeros((height, stride), np.bool_)
    padded[:, :width] = mask
    return int.from_bytes(np.packbits(padded, bitorder="little").tobytes(), "little")


def dilate(bits: int, stride: int, radius: int) -> int:
    """All pixels within ``radius`` of a pixel that is set, and some bits in the gaps."""
    rows = [bits]  # by half its width, the dilation by a row of pixels
    for _ in range(radius):
        rows.append(rows[-1] << 1 | rows[-1] | rows[-1] >> 1)
    dilated = rows[radius]
    for y in range(1, radius + 1):
        row = rows[isqrt(radius * radius - y * y)]
        dilated |= row << y * stride | row >> y * stride
    return dilated
