"""Bridges between encoder and decoder, on the coarsest feature map (section 3.2, table 2b)."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

ConvFactory = Callable[[int, int], nn.Module]
"""Makes a size-preserving 3x3x3 convolution from (in_channels, out_channels)."""


def conv3x3x3(in_channels: int, out_channels: int) -> nn.Module:
    """The paper's plain 3x3x3 convolution."""
    return nn.Conv3d(in_channels, out_channels, 3, padding=1)


class GC3D(nn.Module):
    """3D Global Convolution (figure 2, left): a k x k receptive field from two separable branches.

    Followed, as in the published network, by two 3x3x3 convolutions with a skip connection.
    Shape: ``(B, in_channels, T, H, W)`` to ``(B, channels, T, H, W)``.
    """

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
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))
