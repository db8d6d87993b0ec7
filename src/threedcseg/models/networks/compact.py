"""The compact network that ships with its weights: the paper's topology, channel-separated.

Encoder: EfficientNet-Lite made 3D. Decoder: GC3D on the coarsest map, RF3D at strides 16, 8 and 4
(section 3.2), with each 3x3x3 convolution factorised into 1x3x3 and 3x1x1 depthwise ones and a
1x1x1 that mixes the channels; then, for thin parts, a light refinement of few channels at stride 2.
"""

from typing import Literal

from torch import Tensor, nn

from threedcseg.models.assembly import Channels, assemble
from threedcseg.models.layout import to_clip, to_frames
from threedcseg.models.network import SegmentationNetwork
from threedcseg.models.registry import ENCODERS, register_model


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
    width: str = "lite1",
    channels: Channels = 64,
    bridge: str = "gc3d",
    refinement: str = "rf3d",
    finest: Literal[0] | Channels = 0,
    motion: bool = False,
) -> SegmentationNetwork:
    """The network that ships: EfficientNet-Lite made 3D, with the paper's decoder topology.

    The defaults are what a file of weights means that does not say; the one that ships is "lite2",
    with ``finest`` 24 and ``motion``.

    ``width`` of the encoder ("lite0", "lite1", "lite2"), ``channels`` of the decoder, ``finest``
    those of a light refinement at stride 2 (0: none, logits at stride 4), ``motion`` a second
    stream of what moves against the scene; other bridges and refinements are for ablations.
    """
    return assemble(
        ENCODERS.build(f"efficientnet-{width}", from_stride=2 if finest else 4),
        bridge,
        refinement,
        channels=channels,
        convolution="separable",
        head=Head,
        finest=finest,
        motion=motion,
    )
