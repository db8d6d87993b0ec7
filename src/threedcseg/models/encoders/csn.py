"""Channel-separated networks (CSN), the paper's encoder (section 3.1).

A residual bottleneck whose only 3x3x3 convolution is depthwise, so that channels interact in
1x1x1 convolutions alone: in the two of a bottleneck (interactions *reduced*, ir-CSN) or also in
one before the depthwise convolution (interactions *preserved*, ip-CSN); Tran et al., "Video
classification with channel-separated convolutional networks", ICCV 2019. Stages 2 to 4 halve time
as well as space. For a clip of 8 frames at 480x864:

    clip          (B,    3, 8, 480, 864)
    stem          (B,   64, 8, 120, 216)    3x7x7, stride 2 in space, then 1x3x3 max pooling
    features[0]   (B,  256, 8, 120, 216)    stride 1 in time,  4 in space
    features[1]   (B,  512, 4,  60, 108)    stride 2 in time,  8 in space
    features[2]   (B, 1024, 2,  30,  54)    stride 4 in time, 16 in space
    features[3]   (B, 2048, 1,  15,  27)    stride 8 in time, 32 in space
"""

from collections.abc import Sequence
from typing import Literal

from torch import nn

from threedcseg.models.encoders.residual import (
    EXPANSION,
    Residual,
    ResidualEncoder,
    bottleneck,
    initialise,
    normed,
    stack,
    widths,
)
from threedcseg.models.registry import register_encoder

Interactions = Literal["reduced", "preserved"]


class CSN(ResidualEncoder):
    """A channel-separated residual network; see the module's docstring for shapes.

    ``depths``: blocks in each stage; ``width``: channels of the stem and of the first stage's
    depthwise convolutions. ``time_padding``: of the stem. 1 keeps the number of frames; the
    published ip-CSN pads 3, which adds 4 frames to the features of every clip.
    """

    strides = ((1, 4), (2, 8), (4, 16), (8, 32))
    mean = (114.7748 / 255, 107.7354 / 255, 99.4750 / 255)  # the published code's
    std = (1.0, 1.0, 1.0)

    def __init__(
        self,
        interactions: Interactions = "reduced",
        depths: Sequence[int] = (3, 8, 36, 3),
        width: int = 64,
        time_padding: int = 1,
    ) -> None:
        super().__init__()
        inner = widths(width)

        def block(in_channels: int, stage: int, first: bool) -> Residual:
            channels, stride = inner[stage], 2 if stage > 0 and first else 1
            middle = {}
            if interactions == "preserved":
                interact = nn.Conv3d(channels, channels, 1, bias=False)
                middle["interact"] = normed(interact, relu=False)
            middle["depthwise"] = normed(
                nn.Conv3d(channels, channels, 3, stride, padding=1, groups=channels, bias=False)
            )
            return bottleneck(nn.Conv3d, in_channels, channels, stride, middle, project=first)

        self.out_channels = widths(EXPANSION * width)
        stem = nn.Conv3d(3, width, (3, 7, 7), (1, 2, 2), (time_padding, 3, 3), bias=False)
        self.stem = normed(stem)
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.stages = stack(depths, width, self.out_channels, block)
        initialise(self)


@register_encoder("ir-csn-152", weights_licence="MIT (3DC-Seg), Apache-2.0 (VMZ)")
def ir_csn_152() -> CSN:
    """Channel-separated ResNet-152, interactions reduced: the paper's."""
    return CSN("reduced")


@register_encoder("ip-csn-152", weights_licence="Apache-2.0 (VMZ)")
def ip_csn_152() -> CSN:
    """Channel-separated ResNet-152, interactions preserved."""
    return CSN("preserved")


@register_encoder("ip-csn-152-padded", weights_licence="Apache-2.0 (VMZ)")
def ip_csn_152_padded() -> CSN:
    """ip-CSN-152 as the published code pads it: 8 frames become 12 in its finest map."""
    return CSN("preserved", time_padding=3)


@register_encoder("ir-csn-50", weights_licence="Apache-2.0 (MMAction2)")
def ir_csn_50() -> CSN:
    """Channel-separated ResNet-50, interactions reduced."""
    return CSN("reduced", depths=(3, 4, 6, 3))
