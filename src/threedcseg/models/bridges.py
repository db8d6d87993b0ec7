"""Bridges between encoder and decoder, on the coarsest feature map (section 3.2, table 2b).

All widen the receptive field, then pass two 3x3x3 convolutions with a skip connection, as in the
published network. Shape: ``(B, in_channels, T, H, W)`` to ``(B, channels, T, H, W)``.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threedcseg.models.blocks import ConvFactory, conv3x3x3, residual
from threedcseg.models.registry import register_bridge


@register_bridge("gc3d")
class GC3D(nn.Module):
    """3D global convolution (figure 2, left): k x k from two separable branches."""

    def __init__(
        self, in_channels: int, channels: int, kernel: int = 7, conv: ConvFactory = conv3x3x3
    ) -> None:
        super().__init__()
        column, row = (1, kernel, 1), (1, 1, kernel)
        pad = kernel // 2
        self.left1 = nn.Conv3d(in_channels, channels, column, padding=(0, pad, 0))
        self.left2 = nn.Conv3d(channels, channels, row, padding=(0, 0, pad))
        self.right1 = nn.Conv3d(in_channels, channels, row, padding=(0, 0, pad))
        self.right2 = nn.Conv3d(channels, channels, column, padding=(0, pad, 0))
        self.conv1 = conv(channels, channels)
        self.conv2 = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.left2(self.left1(x)) + self.right2(self.right1(x))
        return residual(x, self.conv1, self.conv2)


@register_bridge("c3d")
class C3D(nn.Module):
    """One 3x3x3 convolution, the baseline."""

    def __init__(self, in_channels: int, channels: int, conv: ConvFactory = conv3x3x3) -> None:
        super().__init__()
        self.context = conv(in_channels, channels)
        self.conv1 = conv(channels, channels)
        self.conv2 = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return residual(self.context(x), self.conv1, self.conv2)


class NonLocal(nn.Module):
    """Non-local block of Wang et al. (CVPR 2018): every position attends to every other one.

    Embedded Gaussian, half the channels inside, keys and values max-pooled 1x2x2. Its last batch
    norm starts at zero, so that the block starts as the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        self.query = nn.Conv3d(channels, inner, 1)
        self.key = nn.Conv3d(channels, inner, 1)
        self.value = nn.Conv3d(channels, inner, 1)
        self.out = nn.Sequential(nn.Conv3d(inner, channels, 1), nn.BatchNorm3d(channels))
        nn.init.zeros_(self.out[1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        window = (1, min(2, x.shape[3]), min(2, x.shape[4]))  # a map of one row has no second
        query = self.query(x).flatten(2).transpose(1, 2)  # (B, T*H*W, C/2)
        key = F.max_pool3d(self.key(x), window).flatten(2)  # (B, C/2, N)
        value = F.max_pool3d(self.value(x), window).flatten(2).transpose(1, 2)  # (B, N, C/2)
        attended = (query @ key).softmax(dim=-1) @ value  # (B, T*H*W, C/2)
        return x + self.out(attended.transpose(1, 2).unflatten(2, x.shape[2:]))


@register_bridge("nl3d")
class NL3D(nn.Module):
    """Non-local 3D block after a 1x1x1 convolution."""

    def __init__(self, in_channels: int, channels: int, conv: ConvFactory = conv3x3x3) -> None:
        super().__init__()
        self.reduce = nn.Conv3d(in_channels, channels, 1)
        self.attend = NonLocal(channels)
        self.conv1 = conv(channels, channels)
        self.conv2 = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return residual(self.attend(self.reduce(x)), self.conv1, self.conv2)


class _Dilated(nn.Sequential):
    """Grouped 1x3x3 convolution of one dilation, then 1x1x1."""

    def __init__(self, in_channels: int, channels: int, dilation: int) -> None:
        spatial = nn.Conv3d(
            in_channels,
            in_channels,
            (1, 3, 3),
            padding=(0, dilation, dilation),
            dilation=(1, dilation, dilation),
            groups=math.gcd(in_channels, channels),
            bias=False,
        )
        super().__init__(
            spatial, nn.ReLU(), _group_norm(16, in_channels), *_pointwise(in_channels, channels)
        )


class _FrameMean(nn.Sequential):
    """The mean of every frame through 1x1x1, given to each of its positions."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(*_pointwise(in_channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mean((3, 4), keepdim=True)).expand(-1, -1, -1, *x.shape[3:])


@register_bridge("aspp3d")
class ASPP3D(nn.Module):
    """Atrous spatial pyramid pooling: dilations 3, 6, 9 in space, and the mean of the frame."""

    def __init__(self, in_channels: int, channels: int, conv: ConvFactory = conv3x3x3) -> None:
        super().__init__()
        inner = channels // 4
        self.scales = nn.ModuleList(
            [
                nn.Sequential(*_pointwise(in_channels, inner)),
                *(_Dilated(in_channels, inner, dilation) for dilation in (3, 6, 9)),
                _FrameMean(in_channels, inner),
            ]
        )
        self.merge = nn.Sequential(*_pointwise(5 * inner, channels, groups=32))
        self.conv1 = conv(channels, channels)
        self.conv2 = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.merge(torch.cat([scale(x) for scale in self.scales], dim=1))
        return residual(x, self.conv1, self.conv2)


def _pointwise(in_channels: int, channels: int, groups: int = 16) -> list[nn.Module]:
    """1x1x1 convolution, ReLU, group norm: in the published order."""
    conv = nn.Conv3d(in_channels, channels, 1, bias=False)
    return [conv, nn.ReLU(), _group_norm(groups, channels)]


def _group_norm(groups: int, channels: int) -> nn.GroupNorm:
    """At most ``groups`` groups, of two channels or more: one value cannot be normalised."""
    return nn.GroupNorm(math.gcd(groups, channels // 2), channels)
