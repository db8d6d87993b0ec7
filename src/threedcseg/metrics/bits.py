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
    halves = [isqrt(radius * radius - y * y) for y in range(radius + 1)]  # of the disk's rows
    runs, run, length = {}, bits, 1
    for half in sorted(set(halves)):  # each pixel made a run of 2 half + 1, to be moved back later
        while length < 2 * half + 1:
            step = min(length, 2 * half + 1 - length)
            run |= run << step
            length += step
        runs[half] = run
    dilated = runs[radius] >> radius
    for y, half in enumerate(halves[1:], start=1):
        dilated |= runs[half] << y * stride - half | runs[half] >> y * stride + half
    return dilated
