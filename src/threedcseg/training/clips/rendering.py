"""From layers to clips: each pixel of each layer is interpolated once, whatever moved it."""

from collections.abc import Sequence as Items
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from threedcseg.training.clips.canvases import LEVELS, Canvases
from threedcseg.training.clips.geometry import Warp
from threedcseg.training.clips.synthesis import CONTROL


@dataclass(frozen=True)
class Layer:
    """A picture, or the frames of a video, in a clip: ``pictures (T,)`` seen through ``warp``.

    The first layer of a clip is opaque and mirrored beyond its borders; of the others is seen what
    their masks cut out, or all that lies along a ``line`` (a, b, c, half), where |ax + by + c| <
    half, in pixels of the frame, at a point (x, y) of the picture. ``is_object``: to be segmented.
    """

    pictures: np.ndarray
    warp: Warp
    is_object: bool = False
    line: tuple[float, float, float, float] | None = None


def render(canvases: Canvases, clips: Items[Items[Layer]], size: tuple[int, int]) -> Tensor:
    """Clips of layers, the farthest first, as ``(B, T, H, W, 4)`` float32: RGB in [0, 1], and the
    mask {0, 1} of what is seen of their objects."""
    whole = (0, 0, *size)
    frames, _ = _sampled(canvases, [clip[0] for clip in clips], size, whole, mirrored=True)
    objects = _column([clip[0].is_object for clip in clips], frames)
    frames[..., 3] = (frames[..., 3] > 0.5) * objects
    for rank in range(1, max(map(len, clips))):
        rows = [row for row, clip in enumerate(clips) if len(clip) > rank]
        layers = [clips[row][rank] for row in rows]
        top, left, bottom, right = window = window_of(canvases, layers, size)
        if top >= bottom or left >= right:
            continue  # outside the frame
        front, alpha = _sampled(canvases, layers, size, window)
        objects = _column([layer.is_object for layer in layers], front)
        where = torch.tensor(rows, device=frames.device)
        view = frames[:, :, top:bottom, left:right]
        behind = view[where]
        behind[..., :3].lerp_(front[..., :3], alpha[..., None])
        behind[..., 3] = torch.where(alpha > 0.5, objects, behind[..., 3])
        view[where] = behind
    return frames


def window_of(
    canvases: Canvases, layers: Items[Layer], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of all that layers may show; all of the frame for a line."""
    if any(layer.line for layer in layers):
        return 0, 0, *size
    corners = []
    for layer in layers:
        top, left, rows, columns = canvases.boxes[layer.pictures, :4].T  # (T,) each
        across = np.stack([left - 1, left - 1, left + columns, left + columns], -1)  # (T, 4)
        down = np.stack([top - 1, top + rows, top - 1, top + rows], -1)
        slack = 1.5 * np.abs(layer.warp.bend).max() / layer.warp.scale + 2  # bicubic overshoots
        linear, moved = layer.warp.matrix[..., :2], layer.warp.matrix[..., 2:]
        seen = np.linalg.solve(linear, np.stack([across, down], 1) - moved)  # (T, 2, 4)
        seen = seen[rows > 0]
        if len(seen):
            corners += [seen.min((0, 2)) - slack, seen.max((0, 2)) + slack]
    if not corners:
        return 0, 0, 0, 0
    left, top = np.clip(np.floor(np.min(corners, 0)), 0, size[::-1]).astype(int)
    right, bottom = np.clip(np.ceil(np.max(corners, 0)) + 1, 0, size[::-1]).astype(int)
    return int(top), int(left), int(bottom), int(right)


def _sampled(
    canvases: Canvases,
    layers: Items[Layer],
    size: tuple[int, int],
    window: tuple[int, int, int, int],
    mirrored: bool = False,
) -> tuple[Tensor, Tensor]:
    """What layers show in a window of the frame, ``(n, T, h, w, 4)``, and how opaque they are,
    ``(n, T, h, w)``; edges are blended over about a pixel."""
    clip_length = len(layers[0].pictures)
    pictures = np.concatenate([layer.pictures for layer in layers])
    levels, warps = [], []
    for layer in layers:
        level = level_of(layer.warp.scale)
        full, small = canvases.sizes[layer.pictures[0], [0, level]]
        to_level = np.diag(small[::-1] / full[::-1])
        shrink = np.column_stack([to_level, to_level @ [0.5, 0.5] - 0.5])
        warps.append(layer.warp if level == 0 else layer.warp.then(shrink))
        levels += [level] * clip_length
    x, y = fields(warps, size, window, canvases.device)
    mirror = np.array([mirrored or layer.line is not None for layer in layers])
    out = canvases.sample(pictures, np.array(levels), x, y, mirror.repeat(clip_length))
    alpha = out[..., 3]
    if not mirrored:
        alpha = F.avg_pool2d(alpha[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    if any(layer.line for layer in layers):
        ratios = canvases.sizes[pictures, np.array(levels)] / canvases.sizes[pictures, 0]
        alpha = _lines(alpha, layers, x, y, ratios)
    return out.unflatten(0, (-1, clip_length)), alpha.unflatten(0, (-1, clip_length))


def _lines(soft: Tensor, layers: Items[Layer], x: Tensor, y: Tensor, ratios: np.ndarray) -> Tensor:
    """Opacities of layers, ``(N, H, W)``, of lines instead of masks where they have one."""
    repeat = len(soft) // len(layers)
    table = np.array([layer.line or (0.0, 0.0, 0.0, -1.0) for layer in layers]).repeat(repeat, 0)
    table[:, 2] += 0.5 * (table[:, :2] * (1 / ratios[:, ::-1] - 1)).sum(-1)
    table[:, :2] /= ratios[:, ::-1]  # of points of the smaller copy
    table_on = torch.from_numpy(table.astype(np.float32)).to(x.device)
    a, b, c, half = table_on.T[:, :, None, None]
    inked = (half + 0.5 - (a * x + b * y + c).abs()).clamp(0, 1)
    return torch.where(half > 0, inked, soft)


def level_of(scale: float) -> int:
    """The smaller copy to read from where ``scale`` pixels of a picture make one of the frame."""
    return int(np.clip(np.floor(np.log2(max(scale, 1e-6) / 1.5)) + 1, 0, LEVELS - 1))


def fields(
    warps: Items[Warp],
    size: tuple[int, int],
    window: tuple[int, int, int, int],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Points of the pictures for each pixel of a window of the frames: x and y, ``(N, h, w)``."""
    top, left, bottom, right = window
    matrix = np.concatenate([warp.matrix for warp in warps])  # (N, 2, 3)
    bend = np.concatenate([warp.bend for warp in warps])  # (N, 2, 4, 4)
    table = np.concatenate([matrix, bend.reshape(*bend.shape[:2], -1)], -1).astype(np.float32)
    on = torch.from_numpy(table).to(device)
    across, down, offset = on[..., :3, None, None].unbind(2)  # (N, 2, 1, 1) each
    x = torch.arange(left, right, device=device, dtype=torch.float32)
    y = torch.arange(top, bottom, device=device, dtype=torch.float32)[:, None]
    points = across * x + (down * y + offset)  # (N, 2, H, W)
    if bend.any():  # a product: TF32 is good for it, not for the points
        control = on[..., 3:].unflatten(-1, (CONTROL, CONTROL))
        down, across = _cubic(size[0], device)[top:bottom], _cubic(size[1], device)[left:right]
        points += down @ control @ across.T
    return points[:, 0], points[:, 1]


@lru_cache(maxsize=32)
def _cubic(length: int, device: torch.device) -> Tensor:
    """Bicubic weights of the control points at each pixel of a side, ``(length, 4)``."""
    one = torch.eye(CONTROL)[None, None]  # rows: points of the grid
    spread = F.interpolate(one, (length, CONTROL), mode="bicubic", align_corners=False)
    return spread[0, 0].to(device)


def _column(flags: Items[bool], like: Tensor) -> Tensor:
    """Flags of clips, to multiply ``(n, T, H, W)`` with."""
    return torch.tensor(flags, device=like.device, dtype=like.dtype)[:, None, None, None]
