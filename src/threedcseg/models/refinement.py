"""Decoder stages that merge a coarse map with the encoder's map of the next finer scale.

Shape: ``skip (B, skip_channels, T, H, W)`` and ``coarse (B, channels, t, h, w)`` to
``(B, channels, T, H, W)``; ``coarse`` is upsampled trilinearly to the size of ``skip``.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threedcseg.models.blocks import ConvFactory, conv3x3x3, residual, upsample
from threedcseg.models.layout import to_clip, to_frames
from threedcseg.models.registry import register_refinement


@register_refinement("rf3d")
class RF3D(nn.Module):
    """3D refinement module (figure 2, right)."""

    def __init__(self, skip_channels: int, channels: int, conv: ConvFactory = conv3x3x3) -> None:
        super().__init__()
        self.skip1 = conv(skip_channels, channels)
        self.skip2 = conv(channels, channels)
        self.skip3 = conv(channels, channels)
        self.merge1 = conv(channels, channels)
        self.merge2 = conv(channels, channels)

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        x = residual(self.skip1(skip), self.skip2, self.skip3)
        x = x + upsample(coarse, like=x)
        return residual(x, self.merge1, self.merge2)


@register_refinement("simple")
class SimpleRefinement(nn.Module):
    """Upsample, concatenate, two 3x3x3 convolutions: the published code's baseline."""

    def __init__(self, skip_channels: int, channels: int, conv: ConvFactory = conv3x3x3) -> None:
        super().__init__()
        self.merge1 = conv(skip_channels + channels, channels)
        self.merge2 = conv(channels, channels)

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        x = torch.cat([skip, upsample(coarse, like=skip)], dim=1)
        return self.merge2(F.relu(self.merge1(x)))


def deconv3x3x3(in_channels: int, out_channels: int) -> nn.Module:
    """A transposed 3x3x3 convolution that keeps the size."""
    return nn.ConvTranspose3d(in_channels, out_channels, 3, padding=1)


@register_refinement("upsampling")
class Upsampling(nn.Module):
    """Two 3x3x3 deconvolutions, concatenation, upsampling: the baseline of table 3.

    The paper's block ends with the upsampling, this one begins with it: the same chain, cut so
    that every stage takes a coarse map and gives a finer one. A 1x1x1 convolution brings the
    concatenation back to ``channels``.
    """

    def __init__(self, skip_channels: int, channels: int, conv: ConvFactory = deconv3x3x3) -> None:
        super().__init__()
        self.deconv1 = conv(channels, channels)
        self.deconv2 = conv(channels, channels)
        self.merge = nn.Conv3d(skip_channels + channels, channels, 1)

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        x = self.deconv2(F.relu(self.deconv1(upsample(coarse, like=skip))))
        return self.merge(torch.cat([skip, x], dim=1))


@register_refinement("light")
class LightRefinement(nn.Module):
    """A refinement of few channels for a fine map: one convolution of the skip, not three.

    ``coarse_channels`` of the coarse map may differ from ``channels``; they are brought to these
    before the upsampling, where there are fewer pixels.
    """

    def __init__(
        self,
        skip_channels: int,
        channels: int,
        conv: ConvFactory = conv3x3x3,
        coarse_channels: int | None = None,
    ) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(coarse_channels or channels, channels, 1)
        self.skip = conv(skip_channels, channels)
        self.merge1 = conv(channels, channels)
        self.merge2 = conv(channels, channels)

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        coarse = to_clip(self.coarse(to_frames(coarse).relu()), len(coarse))
        x = self.skip(skip)
        return residual(x + upsample(coarse, like=x), self.merge1, self.merge2)
