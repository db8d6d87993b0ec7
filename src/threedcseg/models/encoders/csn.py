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

from torch import Tensor, nn

from threedcseg.models.encoders.encoder import Encoder
from threedcseg.models.encoders.residual import Residual, initialise, normed
from threedcseg.models.registry import register_encoder

Interactions = Literal["reduced", "preserved"]
EXPANSION = 4


def bottleneck(
    in_channels: int, width: int, stride: int, interactions: Interactions, project: bool
) -> Residual:
    """One block; its output has ``4 * width`` channels. ``project``: a 1x1x1 in the shortcut."""
    out_channels = EXPANSION * width
    branch = nn.Sequential()
    branch.add_module("reduce", normed(nn.Conv3d(in_channels, width, 1, bias=False)))
    if interactions == "preserved":
        interact = nn.Conv3d(width, width, 1, bias=False)
        branch.add_module("interact", normed(interact, relu=False))
    depthwise = nn.Conv3d(width, width, 3, stride, padding=1, groups=width, bias=False)
    branch.add_module("depthwise", normed(depthwise))
    expand = nn.Conv3d(width, out_channels, 1, bias=False)
    branch.add_module("expand", normed(expand, relu=False))
    if not project:
        return Residual(branch, nn.Identity())
    shortcut = nn.Conv3d(in_channels, out_channels, 1, stride, bias=False)
    return Residual(branch, normed(shortcut, relu=False))


class CSN(Encoder):
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
        stem = nn.Conv3d(3, width, (3, 7, 7), (1, 2, 2), (time_padding, 3, 3), bias=False)
        self.stem = normed(stem)
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.stages = nn.ModuleList()
        channels = width
        for stage, depth in enumerate(depths):
            blocks = nn.Sequential()
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                inner = width * 2**stage
                blocks.append(bottleneck(channels, inner, stride, interactions, block == 0))
                channels = EXPANSION * inner
            self.stages.append(blocks)
        a, b, c, d = (EXPANSION * width * 2**stage for stage in range(4))
        self.out_channels = (a, b, c, d)
        initialise(self)

    def forward(self, clip: Tensor) -> list[Tensor]:
        x = self.pool(self.stem(clip))
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


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
