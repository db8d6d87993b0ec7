"""Masks as lengths of runs, background and object by turns: COCO's and CVAT's, which others made.

pycocotools, which reads COCO's, may write outside its memory where they do not fit.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np


def mask_of(lengths: Sequence[int], total: int) -> np.ndarray:
    """``(total,)`` bool: background first, and behind the last run. ValueError where runs do not
    fit."""
    runs = np.array(lengths, np.int64)
    if runs.min(initial=0) < 0 or runs.sum() > total:
        raise ValueError("run lengths that do not fit")
    mask = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return np.concatenate([mask, np.zeros(total - len(mask), bool)])


def coco_mask(counts: Any, height: int, width: int) -> np.ndarray:
    """``(height, width)`` bool of COCO's ``counts``, column by column: a list, or a text.

    ValueError, TypeError or OverflowError for what is no mask of that size.
    """
    lengths = counts if isinstance(counts, list) else _unpacked(counts)
    if sum(lengths) != height * width:
        raise ValueError(f"runs of other than {width}x{height} pixels")
    return mask_of(lengths, height * width).reshape(width, height).T


def _unpacked(text: str) -> list[int]:
    """Five bits a character, each length but the first three as the difference from the last but
    one."""
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if shift > 40:
            raise ValueError("a run without end")
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    return lengths
