"""Light, colour, blur, grain, spray and compression of clips, the same in all frames of one.

Frames are ``(n, T, H, W, 3)`` float32 RGB in [0, 1]; amounts are tensors ``(n,)``, one a clip.
"""

from dataclasses import dataclass
from functools import lru_cache

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


def changed(frames: Tensor, masks: Tensor, moves: np.ndarray, what: Appearance, draw: Draw) -> Tensor:
    """Clips ``(B, T, H, W, 3)``, with masks ``(B, T, H, W)``, as another camera might have them.

    ``moves (B,)``: whether something in them does. Which clips get what is decided on the CPU, so
    that the device never waits for it.
    """
    count, clip_length = frames.shape[:2]
    device = frames.device
    grain = torch.Generator(device).manual_seed(draw.below(1 << 31))

    def on(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(device)

    def some(probability: float, among: np.ndarray | bool = True) -> tuple[np.ndarray, Tensor]:
        chosen = np.flatnonzero((draw.uniform(0, 1, count) < probability) & among)
        return chosen, torch.from_numpy(chosen).to(device)

    chosen, where = some(what.spray, moves)
    if len(chosen):
        noise = draw.normal(len(chosen), 2, *SPRAY_GRID)
        drift = draw.uniform(-0.5, 0.5, len(chosen), 2)
        shape = draw.uniform(0.5, 1.5, len(chosen)), draw.uniform(0.3, 0.8, len(chosen))
        colour = draw.uniform(0.6, 1.0, len(chosen), 1) * draw.uniform(0.85, 1.0, len(chosen), 3)
        specks = torch.randn(
            (len(chosen), *frames.shape[1:4]), device=device, generator=grain
        )
        frames[where] = sprayed(
            frames[where], masks[where], on(noise), on(drift), *map(on, shape), on(colour), specks
        )

    saturation = np.exp(draw.uniform(-what.saturation, what.saturation, count))
    saturation[draw.uniform(0, 1, count) < what.gray] = 0
    gain = np.exp(draw.uniform(-what.brightness, what.brightness, count, 1))
    gain = gain * np.exp(draw.uniform(-what.tint, what.tint, count, 3))
    frames = coloured(
        frames,
        on(np.exp(draw.uniform(-what.gamma, what.gamma, count))),
        on(saturation),
        on(np.exp(draw.uniform(-what.contrast, what.contrast, count))),
        on(gain[:, None] * np.exp(what.flicker * draw.normal(count, clip_length, 1))),
    )
    chosen, where = some(what.blur)
    if len(chosen):
        frames[where] = blurred(frames[where], on(draw.uniform(0, 1, len(chosen))))
    chosen, where = some(what.grain)
    if len(chosen):
        noise = torch.randn((len(chosen), *frames.shape[1:]), device=device, generator=grain)
        frames[where] += noise * per_clip(on(draw.uniform(0, 0.06, len(chosen))))
    frames = frames.clamp_(0, 1)
    chosen, where = some(what.compression)
    if len(chosen):
        low, high = np.log(what.quality)
        quality = np.exp(draw.uniform(float(low), float(high), len(chosen)))
        frames[where] = compressed(frames[where], on(quality))
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
    count, clip_length, height, width = masks.shape
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
