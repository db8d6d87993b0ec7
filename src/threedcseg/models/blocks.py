"""Convolutions and connections that encoders, bridges and refinements are built of."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threedcseg.models.layout import from_time_rows, to_clip, to_frames, to_time_rows

ConvFactory = Callable[[int, int], nn.Module]
"""Makes a size-preserving 3x3x3 convolution from (in_channels, out_channels)."""


def conv3x3x3(in_channels: int, out_channels: int) -> nn.Module:
    """The paper's plain 3x3x3 convolution."""
    return nn.Conv3d(in_channels, out_channels, 3, padding=1)


class TemporalTap(nn.Module):
    """Depthwise 3-tap convolution in time on frames; starts as the identity.

    Shape: ``(B*T, C, H, W)`` to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0), groups=channels)
        nn.init.zeros_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.conv.weight[:, :, 1] = 1

    def forward(self, frames: Tensor, batch: int) -> Tensor:
        rows = to_time_rows(frames, batch)  # (B, C, T, H*W)
        return from_time_rows(self.conv(rows), frames.shape[2])


class SeparableConv3d(nn.Module):
    """Factorised 3x3x3 convolution: depthwise 1x3x3, temporal tap, pointwise.

    Shape: ``(B, in_channels, T, H, W)`` to ``(B, out_channels, T, H, W)``.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(
            in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False
        )
        self.temporal = TemporalTap(in_channels)
        self.mix = nn.Conv2d(in_channels, out_channels, 1)
        nn.init.kaiming_normal_(self.mix.weight, nonlinearity="linear")
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.spatial.weight, std=0.1)
        with torch.no_grad():
            self.spatial.weight[:, :, 1, 1] += 1  # near the identity, as the temporal tap is

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[0]
        frames = self.spatial(to_frames(x))  # (B*T, C, H, W)
        return to_clip(self.mix(self.temporal(frames, batch)), batch)


def residual(x: Tensor, first: nn.Module, second: nn.Module) -> Tensor:
    """Two convolutions with a skip connection, each after a ReLU."""
    return x + second(F.relu(first(F.relu(x))))


def upsample(coarse: Tensor, like: Tensor) -> Tensor:
    """``coarse`` at the size of ``like``, trilinearly."""
    if coarse.shape[2] == like.shape[2] and not torch.compiler.is_compiling():
        frames = to_frames(coarse)  # three times as fast
        size = like.shape[3:]
        frames = F.interpolate(frames, size, mode="bilinear", align_corners=False)
        return to_clip(frames, coarse.shape[0])
    return F.interpolate(coarse, like.shape[2:], mode="trilinear", align_corners=False)
