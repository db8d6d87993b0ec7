"""The compact network that ships with its weights: the paper's topology, channel-separated.

Encoder: EfficientNet-Lite made 3D. Decoder: GC3D on the coarsest map, RF3D at strides 16, 8 and 4
(section 3.2), with each 3x3x3 convolution factorised into 1x3x3 and 3x1x1 depthwise ones and a
1x1x1 that mixes the channels.
"""

import torch
from torch import Tensor, nn

from threedcseg.models.decoder import Decoder
from threedcseg.models.encoders.compact import CompactEncoder, TemporalTap
from threedcseg.models.layout import to_clip, to_frames
from threedcseg.models.network import SegmentationNetwork
from threedcseg.models.registry import BRIDGES, REFINEMENTS, register_model

# EfficientNet-Lite was trained on (x - 127) / 128 for x in 0..255.
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3


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


class Head(nn.Module):
    """Logits of one channel from the finest decoder map, ``(B, C, T, H, W)`` to ``(B, 1, ...)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, 3, padding=1)
        nn.init.normal_(self.conv.weight, std=0.005)  # begin unsure of everything

    def forward(self, x: Tensor) -> Tensor:
        return to_clip(self.conv(to_frames(x).relu()), x.shape[0])


@register_model("compact", weights_licence="CC BY-NC 4.0")
def compact(
    width: str = "lite1", channels: int = 64, bridge: str = "gc3d", refinement: str = "rf3d"
) -> SegmentationNetwork:
    """The network that ships: EfficientNet-Lite made 3D, with the paper's decoder topology.

    ``width`` of the encoder ("lite0", "lite1", "lite2"), ``channels`` of the decoder; other
    bridges and refinements are for ablations.
    """
    encoder = CompactEncoder(width)
    *skips, coarsest = encoder.out_channels
    decoder = Decoder(
        bridge=BRIDGES.build(bridge, coarsest, channels, conv=SeparableConv3d),
        refinements=[
            REFINEMENTS.build(refinement, skip, channels, conv=SeparableConv3d)
            for skip in reversed(skips)
        ],
        head=Head(channels),
    )
    return SegmentationNetwork(encoder, decoder, MEAN, STD)
