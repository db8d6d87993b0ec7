"""Small pictures with masks, to make clips of."""

import cv2
import numpy as np
import torch

from threedcseg.datasets.packs import Footage
from threedcseg.training.clips.canvases import Canvases

CPU = torch.device("cpu")


def picture(number: int, height: int, width: int, colour=(220, 40, 30)) -> np.ndarray:
    """``(H, W, 4)``: a disc of one colour before smooth clouds."""
    rng = np.random.default_rng(number)
    clouds = cv2.resize(rng.integers(60, 200, (6, 8, 3), np.uint8), (width, height))
    mask = np.zeros((height, width), np.uint8)
    centre = (int(width * rng.uniform(0.4, 0.6)), int(height * rng.uniform(0.4, 0.6)))
    cv2.circle(mask, centre, height // 5, 255, -1)
    clouds[mask > 0] = colour
    return np.dstack([clouds, mask])


def still(name: str, number: int, height: int = 48, width: int = 64, **how) -> Footage:
    pixels = picture(number, height, width, **how)[None]
    return Footage(name, "discs", pixels, np.zeros(1, int))


def video(name: str, count: int = 30, step: int = 1, height: int = 48, width: int = 64) -> Footage:
    """A disc that goes to the right; every ``step``-th frame has a mask."""
    frames = np.stack([picture(0, height, width) for _ in range(count)])
    for t, frame in enumerate(frames):
        frame[:] = np.roll(frame, t, axis=1)
    return Footage(name, "made", frames, np.arange(count) * step)


def canvases(*footage: Footage) -> Canvases:
    return Canvases(footage, CPU)
