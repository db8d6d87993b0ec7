"""All pictures of a training as uint8 on the device, to be sampled anywhere."""

import os
from collections.abc import Sequence as Items
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from threedcseg.datasets.packs import Footage

LEVELS = 3  # each picture is also kept at a half and a quarter of its size
STATIC = 3.0  # levels that the background of a standing camera changes by, at the most


@dataclass(frozen=True)
class Entry:
    """A sequence on the device: pictures ``first`` to ``first + len(numbers) - 1``.

    ``numbers``: of its frames in the source. ``static``: the camera stands.
    """

    name: str
    group: str
    first: int
    numbers: np.ndarray
    static: bool


class Canvases:
    """Pictures of any sizes, one after another in a flat array of 32-bit pixels.

    A pixel holds red, green, blue and the mask, a byte each, so that one read fetches them all.
    What is shown smaller is read from a copy at half or a quarter of the size, so that thin things
    do not flicker. On the CPU, by picture: ``sizes (N, LEVELS, 2)`` (height, width), ``starts
    (N, LEVELS)``, and ``boxes (N, 5)``: top, left, height, width and area of the mask, in pixels.
    """

    def __init__(self, footage: Items[Footage], device: torch.device) -> None:
        shapes = [level_sizes(*item.pixels.shape[1:3]) for item in footage for _ in item.pixels]
        self.sizes = np.array(shapes)
        lengths = self.sizes.prod(-1)  # (N, LEVELS)
        ends = lengths.cumsum().reshape(lengths.shape)
        self.starts = ends - lengths
        pixels = np.empty((int(ends[-1, -1]), 4), np.uint8)

        def fill(item: Footage, first: int) -> tuple[Entry, np.ndarray]:
            for number, picture in enumerate(item.pixels, first):
                for start, (h, w) in zip(self.starts[number], self.sizes[number], strict=True):
                    level = pixels[start : start + h * w].reshape(h, w, 4)
                    picture = cv2.resize(picture, (w, h), level, interpolation=cv2.INTER_AREA)
            boxes = [box_of(mask > 127) for mask in item.pixels[..., 3]]
            static = is_static(item.pixels)
            return Entry(item.name, item.group, first, item.numbers, static), np.array(boxes)

        firsts = np.cumsum([0, *(len(item.pixels) for item in footage)])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            entries, boxes = zip(*pool.map(fill, footage, firsts[:-1].tolist()), strict=True)
        self.entries: tuple[Entry, ...] = entries
        self.boxes = np.concatenate(boxes)
        self.pixels = torch.from_numpy(pixels.view(np.int32)[:, 0]).to(device)

    @property
    def device(self) -> torch.device:
        return self.pixels.device

    def sample(
        self, pictures: np.ndarray, levels: np.ndarray, x: Tensor, y: Tensor, mirrored: np.ndarray
    ) -> Tensor:
        """Pixels at ``x``, ``y (N, H, W)`` of ``pictures (N,)`` at their ``levels (N,)``.

        Linear between pixels. Outside, a picture is ``mirrored (N,)`` or nothing, with a mask of 0.
        Returns ``(N, H, W, 4)`` float32 in [0, 1].
        """
        height, width = self.sizes[pictures, levels].T
        table = np.stack([self.starts[pictures, levels], height, width])
        start, rows, columns = torch.from_numpy(table).to(self.device)[:, :, None, None]
        bottom, right = rows - 1.0, columns - 1.0
        inside = (x > -0.5) & (x < right + 0.5) & (y > -0.5) & (y < bottom + 0.5)
        if mirrored.any():
            flip = torch.from_numpy(mirrored).to(self.device)[:, None, None]
            x = torch.where(flip, right - (right - x.abs()).abs(), x)
            y = torch.where(flip, bottom - (bottom - y.abs()).abs(), y)
            inside |= flip
        x = torch.minimum(x.clamp(min=0), right)
        y = torch.minimum(y.clamp(min=0), bottom)
        x0, y0 = x.long(), y.long()
        along, down = (x - x0)[..., None], (y - y0)[..., None]
        step = (x0 < columns - 1).long()
        upper = start + y0 * columns + x0
        lower = upper + torch.where(y0 < rows - 1, columns, 0)
        top = torch.lerp(self._at(upper), self._at(upper + step), along)
        low = torch.lerp(self._at(lower), self._at(lower + step), along)
        out = torch.lerp(top, low, down)
        out *= 1 / 255
        out[..., 3] *= inside
        return out

    def _at(self, places: Tensor) -> Tensor:
        """``(N, H, W)`` places to pixels ``(N, H, W, 4)`` float32 in [0, 255]."""
        pixels = torch.take(self.pixels, places)
        return pixels.view(torch.uint8).unflatten(-1, (-1, 4)).float()


def level_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Of a picture, and of its smaller copies."""
    return [(max(1, height >> level), max(1, width >> level)) for level in range(LEVELS)]


def box_of(mask: np.ndarray) -> tuple[int, int, int, int, int]:
    """Top, left, height, width and area of a boolean mask; zeros where it is empty."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return top, left, height, width, int(np.count_nonzero(mask))


def is_static(pixels: np.ndarray) -> bool:
    """Whether the background of ``(N, H, W, 4)`` stays where it is from frame to frame."""
    if len(pixels) < 3:
        return False
    few = pixels[:: max(1, len(pixels) // 8), ::4, ::4].astype(np.int16)
    change = np.abs(few[1:, ..., :3] - few[:-1, ..., :3]).mean(-1)
    return float(np.median(change[(few[1:, ..., 3] < 128) & (few[:-1, ..., 3] < 128)])) <= STATIC
