"""Scenes made on the spot: a coloured texture that the camera pans across."""

from itertools import pairwise

import cv2
import numpy as np


def scene(seed: int, count: int, speed: int = 2, height: int = 72, width: int = 128) -> np.ndarray:
    """``(count, height, width, 3)`` uint8: other seeds have other colours and shapes."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 24, 3), np.uint8)
    wide = cv2.resize(coarse, (width + speed * count, height), interpolation=cv2.INTER_CUBIC)
    views = [wide[:, speed * i : speed * i + width] for i in range(count)]
    noise = rng.integers(-4, 5, (count, height, width, 3))
    return np.clip(np.stack(views) + noise, 0, 255).astype(np.uint8)


def starts(shots: list[int]) -> list[int]:
    """Indices of the frames whose shot is another than the one before."""
    return [index for index, (a, b) in enumerate(pairwise(shots), 1) if a != b]
