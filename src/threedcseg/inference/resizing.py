"""Pictures and maps at other sizes: arrays by OpenCV, tensors by PyTorch on the device they are on.

Both compute the same, up to a level of uint8 and 1e-5 of float32.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Picture = np.ndarray | Tensor
PictureT = TypeVar("PictureT", bound=Picture)

Method = Literal["area", "linear", "nearest"]
_CV2 = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "nearest": cv2.INTER_NEAREST_EXACT,  # as PIL does
}


def resize(picture: PictureT, size: tuple[int, int], method: Method) -> PictureT:
    """``(H, W)`` or ``(H, W, 3)``, uint8 or float32, to ``size``, ``(height, width)``.

    "area" is the mean of what a pixel covers.
    """
    resized: Any
    if isinstance(picture, np.ndarray):
        resized = cv2.resize(picture, size[::-1], interpolation=_CV2[method])
        return resized
    if method == "area":
        resized = _averaged(_averaged(picture, 0, size[0]), 1, size[1])
    else:
        planes = picture.float().reshape(*picture.shape[:2], -1).permute(2, 0, 1)[None]
        mode = "bilinear" if method == "linear" else "nearest-exact"
        planes = F.interpolate(planes, size, mode=mode)[0]  # (C, height, width)
        resized = planes.permute(1, 2, 0).reshape(*size, *picture.shape[2:])
    return resized if picture.is_floating_point() else resized.round().to(torch.uint8)


def pad(picture: PictureT, padding: tuple[int, int, int, int]) -> PictureT:
    """``(H, W, 3)`` with ``(top, bottom, left, right)`` zeros around it."""
    padded: Any
    if isinstance(picture, np.ndarray):
        padded = cv2.copyMakeBorder(picture, *padding, cv2.BORDER_CONSTANT, value=0)
    else:
        padded = F.pad(picture, (0, 0, *padding[2:], *padding[:2]))
    return padded


def stack(pictures: Sequence[PictureT]) -> PictureT:
    """``n`` pictures ``(...)`` of one size to ``(n, ...)``."""
    several: Any = pictures
    stacked: Any = np.stack(several) if isinstance(several[0], np.ndarray) else torch.stack(several)
    return stacked


def _averaged(picture: Tensor, side: int, count: int) -> Tensor:
    """A side made ``count`` pixels long; sums, not a product of matrices, which may be in TF32."""
    places, shares = _covered(picture.shape[side], count, picture.device)
    taken = picture.index_select(side, places).unflatten(side, (count, -1))
    return (taken * shares[..., *[None] * (picture.dim() - side - 1)]).sum(side + 1)


@lru_cache(maxsize=32)
def _covered(length: int, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which of ``length`` pixels each of ``count`` covers, ``(count * k,)``, and the share of it
    that each of them is, ``(count, k)``."""
    edges = torch.arange(count + 1, dtype=torch.float64) * length / count
    left, right = edges[:-1, None], edges[1:, None]
    places = left.floor() + torch.arange(math.ceil(length / count) + 1)
    shares = (torch.minimum(places + 1, right) - torch.maximum(places, left)).clamp(min=0)
    shares = (shares * count / length).float()
    return places.clamp(max=length - 1).long().flatten().to(device), shares.to(device)
