"""Decoder stages that merge a coarse map with the encoder's map of the next finer scale."""

from torch import Tensor, nn
from torch.nn import functional as F

from threedcseg.models.bridges import ConvFactory, conv3x3x3


class RF3D(nn.Module):
    """3D Refinement module (figure 2, right).

    Shape: ``skip (B, skip_channels, T, H, W)`` and ``coarse (B, channels, t, h, w)`` to
    ``(B, channels, T, H, W)``; ``coarse`` is upsampled trilinearly to the size of ``skip``.
    """

    def __init__(self, skip_channels: int, channels: int, conv: ConvFactory = conv3x3x3) -> None:
        super().__init__()
        self.skip1 = conv(skip_channels, channels)
        self.skip2 = conv(channels, channels)
        self.skip3 = conv(channels, channels)
        self.merge1 = conv(channels, channels)
        self.merge2 = conv(channels, channels)

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        x = self.skip1(skip)
        x = x + self.skip3(F.relu(self.skip2(F.relu(x))))
        x = x + F.interpolate(coarse, x.shape[2:], mode="trilinear", align_corners=False)
        return x + self.merge2(F.relu(self.merge1(F.relu(x))))
