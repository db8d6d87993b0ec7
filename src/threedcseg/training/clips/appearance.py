"""Light, colour, blur, grain, spray and compression of clips, the same in all frames of one.

Frames are ``(n, T, H, W, 3)`` float32 RGB in [0, 1]; amounts are tensors ``(n,)``, one a clip.
"""

from collections.abc import Sequence as Items
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from threedcseg.training.clips.draw import Draw

LUMA = (0.299, 0.587, 0.114)
SPRAY_GRID = (9, 16)  # cells of the noise that clouds are made of

# Quantisation of ITU-T T.81 (JPEG), annex K: brightness and colour.
QUANTISATION = np.array(
    [
        [
            [16, 11, 10, 16, 24, 40, 51, 61],
            [12, 12, 14, 19, 26, 58, 60, 55],
            [14, 13, 16, 24, 40, 57, 69, 56],
            [14, 17, 22, 29, 51, 87, 80, 62],
            [18, 22, 37, 56, 68, 109, 103, 77],
            [24, 35, 55, 64, 81, 104, 113, 92],
            [49, 64, 78, 87, 103, 121, 120, 101],
            [72, 92, 95, 98, 112, 100, 103, 99],
        ],
        [
            [17, 18, 24, 47, 99, 99, 99, 99],
            [18, 21, 26, 66, 99, 99, 99, 99],
            [24, 26, 56, 99, 99, 99, 99, 99],
            [47, 66, 99, 99, 99, 99, 99, 99],
            [99, 99, 99, 99, 99, 99, 99, 99],
            [99, 99, 99, 99, 99, 99, 99, 99],
            [99, 99, 99, 99, 99, 99, 99, 99],
            [99, 99, 99, 99, 99, 99, 99, 99],
        ],
    ],
    np.float32,
)


@dataclass(frozen=True)
class Appearance:
    """Ranges of the changes: those of light as largest logarithms, the rest as probabilities.

    ``quality``: (lowest, highest) of compressed clips, as JPEG counts it. ``spray``: only where
    something moves.
    """

    gamma: float = 0.35
    saturation: float = 0.55
    contrast: float = 0.35
    brightness: float = 0.3
    tint: float = 0.12
    flicker: float = 0.02
    gray: float = 0.08
    blur: float = 0.2
    grain: float = 0.4
    compression: float = 0.25
    quality: tuple[float, float] = (4.0, 40.0)
    spray: float = 0.1


@dataclass(frozen=True)
class Look:
    """The changes of one clip, drawn. ``gain (T, 3)``; ``seed`` of its grain; None is none."""

    gamma: float
    saturation: float
    contrast: float
    gain: np.ndarray
    seed: int
    blur: float | None = None
    grain: float | None = None
    quality: float | None = None
    spray: "Spray | None" = None


@dataclass(frozen=True)
class Spray:
    """A cloud of dust or spray.

    ``noise (2, h, w)``: one cloud turns into the other, while both ``drift (2,)``, a share of the
    frame; ``extent`` in heights of the mask; ``opacity``: the greatest; ``colour (3,)``.
    """

    noise: np.ndarray
    drift: np.ndarray
    extent: float
    opacity: float
    colour: np.ndarray


def look(draw: Draw, what: Appearance, clip_length: int, moves: bool) -> Look:
    """How a clip looks; ``moves``: whether something in it does."""
    gain = np.exp(draw.number(-what.brightness, what.brightness))
    tint = np.exp(draw.uniform(-what.tint, what.tint, 3))
    flicker = np.exp(what.flicker * draw.normal(clip_length, 1))
    low, high = np.log(what.quality)
    gray = draw.chance(what.gray)
    return Look(
        gamma=float(np.exp(draw.number(-what.gamma, what.gamma))),
        saturation=0.0 if gray else float(np.exp(draw.number(-what.saturation, what.saturation))),
        contrast=float(np.exp(draw.number(-what.contrast, what.contrast))),
        gain=gain * tint * flicker,
        seed=draw.below(1 << 31),
        blur=draw.number(0, 1) if draw.chance(what.blur) else None,
        grain=draw.number(0, 0.06) if draw.chance(what.grain) else None,
        quality=float(np.exp(draw.number(low, high))) if draw.chance(what.compression) else None,
        spray=spray(draw) if draw.chance(what.spray) and moves else None,
    )


def spray(draw: Draw) -> Spray:
    return Spray(
        draw.normal(2, *SPRAY_GRID),
        draw.uniform(-0.5, 0.5, 2),
        draw.number(0.5, 1.5),
        draw.number(0.3, 0.8),
        draw.number(0.6, 1.0) * draw.uniform(0.85, 1.0, 3),
    )


def changed(frames: Tensor, masks: Tensor, looks: Items[Look]) -> Tensor:
    """Clips ``(n, T, H, W, 3)``, with masks ``(n, T, H, W)``, as their looks have them.

    Which clips get what is known on the CPU, so that the device never waits for it. ``frames`` may
    be written to.
    """
    device = frames.device

    def on(values: Items[Any]) -> Tensor:
        return torch.from_numpy(np.array(values, np.float32)).to(device)

    def noise(chosen: list[int], *shape: int) -> Tensor:
        seeds = (looks[i].seed for i in chosen)
        generators = (torch.Generator(device).manual_seed(seed) for seed in seeds)
        return torch.stack([torch.randn(shape, device=device, generator=g) for g in generators])

    clouds = {i: one.spray for i, one in enumerate(looks) if one.spray is not None}
    if clouds:
        where = torch.tensor(list(clouds), device=device)
        given = clouds.values()
        frames[where] = sprayed(
            frames[where],
            masks[where],
            on([s.noise for s in given]),
            on([s.drift for s in given]),
            on([s.extent for s in given]),
            on([s.opacity for s in given]),
            on([s.colour for s in given]),
            noise(list(clouds), *frames.shape[1:4]),
        )
    frames = coloured(
        frames,
        on([one.gamma for one in looks]),
        on([one.saturation for one in looks]),
        on([one.contrast for one in looks]),
        on([one.gain for one in looks]),
    )
    blurs = {i: one.blur for i, one in enumerate(looks) if one.blur is not None}
    if blurs:
        where = torch.tensor(list(blurs), device=device)
        frames[where] = blurred(frames[where], on(list(blurs.values())))
    grains = {i: one.grain for i, one in enumerate(looks) if one.grain is not None}
    if grains:
        where = torch.tensor(list(grains), device=device)
        amount = per_clip(on(list(grains.values())))
        frames[where] += noise(list(grains), *frames.shape[1:]).mul_(amount)
    frames = frames.clamp_(0, 1)
    qualities = {i: one.quality for i, one in enumerate(looks) if one.quality is not None}
    if qualities:
        where = torch.tensor(list(qualities), device=device)
        frames[where] = compressed(frames[where], on(list(qualities.values())))
    return frames


def per_clip(amounts: Tensor) -> Tensor:
    """``(n,)``, ``(n, 3)`` or ``(n, T, 3)`` to what multiplies ``(n, T, H, W, 3)``."""
    if amounts.ndim == 1:
        return amounts[:, None, None, None, None]
    return amounts[:, None, None, None] if amounts.ndim == 2 else amounts[:, :, None, None]


def coloured(
    frames: Tensor, gamma: Tensor, saturation: Tensor, contrast: Tensor, gain: Tensor
) -> Tensor:
    """Gamma, saturation about gray, contrast about the clip's mean, then ``gain (n, T, 3)``."""
    frames = frames.clamp(min=1e-4) ** per_clip(gamma)
    gray = (frames @ frames.new_tensor(LUMA))[..., None]
    frames = torch.lerp(gray, frames, per_clip(saturation))
    mean = frames.mean((1, 2, 3, 4), keepdim=True)
    return torch.lerp(mean, frames, per_clip(contrast)) * per_clip(gain)


def blurred(frames: Tensor, share: Tensor) -> Tensor:
    """Towards what is left at half the resolution."""
    flat = frames.flatten(0, 1).permute(0, 3, 1, 2)
    low = F.interpolate(F.avg_pool2d(flat, 2), flat.shape[2:], mode="bilinear", align_corners=False)
    low = low.permute(0, 2, 3, 1).unflatten(0, frames.shape[:2])
    return torch.lerp(frames, low, per_clip(share))


def compressed(frames: Tensor, quality: Tensor) -> Tensor:
    """What JPEG leaves of every frame: cosines of 8x8 blocks, rounded, colour at half resolution.

    ``quality (n,)`` as JPEG counts it, 1 to 100.
    """
    height, width = frames.shape[2:4]
    flat = frames.flatten(0, 1).permute(0, 3, 1, 2) * 255  # (N, 3, H, W)
    flat = F.pad(flat, (0, -width % 16, 0, -height % 16), mode="replicate")
    red, green, blue = flat.unbind(1)
    luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    colour = torch.stack([(blue - luma) / 1.772, (red - luma) / 1.402], 1)
    strength = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    strength = strength.repeat_interleave(frames.shape[1])[:, None, None, None, None, None]
    tables = torch.from_numpy(QUANTISATION).to(frames.device)
    luma = _rounded(luma[:, None] - 128, (tables[0] * strength).clamp(min=1))[:, 0] + 128
    colour = _rounded(F.avg_pool2d(colour, 2), (tables[1] * strength).clamp(min=1))
    blueness, redness = F.interpolate(colour, scale_factor=2, mode="nearest").unbind(1)
    red, blue = luma + 1.402 * redness, luma + 1.772 * blueness
    green = (luma - LUMA[0] * red - LUMA[2] * blue) / LUMA[1]
    out = torch.stack([red, green, blue], -1)[:, :height, :width] / 255
    return out.clamp_(0, 1).unflatten(0, frames.shape[:2])


def _rounded(planes: Tensor, step: Tensor) -> Tensor:
    """``(N, C, H, W)`` with the cosines of its 8x8 blocks rounded to multiples of ``step``."""
    blocks = planes.unflatten(2, (-1, 8)).unflatten(4, (-1, 8)).transpose(3, 4)
    cosine = _cosines(planes.device)
    kept = (cosine @ blocks @ cosine.T / step).round() * step
    return (cosine.T @ kept @ cosine).transpose(3, 4).flatten(4, 5).flatten(2, 3)


@lru_cache(maxsize=4)
def _cosines(device: torch.device) -> Tensor:
    """The orthonormal discrete cosine transform of 8 values, ``(8, 8)``."""
    k, n = np.arange(8)[:, None], np.arange(8)
    matrix = np.cos(np.pi * (2 * n + 1) * k / 16) * np.where(k == 0, np.sqrt(1 / 8), 0.5)
    return torch.from_numpy(matrix.astype(np.float32)).to(device)


def sprayed(
    frames: Tensor,
    masks: Tensor,
    noise: Tensor,
    drift: Tensor,
    extent: Tensor,
    strength: Tensor,
    colour: Tensor,
    specks: Tensor,
) -> Tensor:
    """A drifting cloud of dust or spray about the foot of what moves, which stays visible.

    ``noise (n, 2, h, w)``: two clouds, one of which turns into the other while both ``drift
    (n, 2)``, a share of their grid over the clip; ``extent (n,)``: of the cloud, in heights of the
    mask; ``strength``: its greatest opacity; ``colour (n, 3)``; ``specks (n, T, H, W)``: normal
    noise, the highest of which are drops.
    """
    clip_length, height, width = masks.shape[1:]
    phase = torch.linspace(0, 1, clip_length, device=frames.device)
    y = torch.linspace(-1, 1, height, device=frames.device)[:, None]
    x = torch.linspace(-1, 1, width, device=frames.device)
    moved = (drift[:, None] * (phase[:, None] - 0.5))[:, :, None, None]  # (n, T, 1, 1, 2)
    grid = 0.7 * torch.stack(torch.broadcast_tensors(x, y), -1) + moved  # (n, T, H, W, 2)
    cloud = F.grid_sample(
        noise, grid.flatten(1, 2), mode="bicubic", padding_mode="reflection", align_corners=False
    ).unflatten(2, (clip_length, height))  # (n, 2, T, H, W)
    angle = (phase * torch.pi / 2)[None, :, None, None]
    cloud = cloud[:, 0] * angle.cos() + cloud[:, 1] * angle.sin()  # (n, T, H, W)

    area = masks.sum((2, 3)).clamp(min=1)[..., None, None]
    middle_x = (masks * x).sum((2, 3), keepdim=True) / area
    middle_y = (masks * y).sum((2, 3), keepdim=True) / area
    tall = 2 * area.sqrt() / height  # about the mask's height, in the same units
    away = ((x - middle_x) * width / height) ** 2 + (y - middle_y - 0.4 * tall) ** 2
    reach = per_clip(extent)[..., 0] * tall
    near = torch.exp(-away / (reach**2 + 1e-6))
    opacity = per_clip(strength)[..., 0] * near
    veil = opacity * (0.5 + cloud).clamp(0, 1)
    drops = (specks > 2.6) & (near > 0.3)
    alpha = torch.where(drops, torch.maximum(veil, opacity), veil)[..., None]
    return torch.lerp(frames, per_clip(colour), alpha)
