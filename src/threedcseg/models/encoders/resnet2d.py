"""2D ResNet-101, frame by frame: the image encoders of Table 1.

The plain one (He et al. 2016), and the same with stages 3 and 4 dilated instead of strided, the
DeepLabV3 backbone (Chen et al. 2017). Time is only carried along. For a clip of 8 frames at
480x864:

    clip          (B,    3, 8, 480, 864)
    features[0]   (B,  256, 8, 120, 216)    stride 4 in space
    features[1]   (B,  512, 8,  60, 108)    stride 8
    features[2]   (B, 1024, 8,  30,  54)    stride 16 (dilated: 8)
    features[3]   (B, 2048, 8,  15,  27)    stride 32 (dilated: 8)
"""

from collections.abc import Sequence

from torch import Tensor, nn

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
from threedcseg.models.layout import to_clip, to_frames
from threedcseg.models.registry import register_encoder


class ResNet2D(ResidualEncoder):
    """A residual network on single frames; see the module's docstring for shapes.

    ``depths``: blocks in each stage; ``width``: channels of the stem. ``dilated`` gives output
    stride 8: stages 3 and 4 have dilations 2 and 4 instead of strides, the first block of each
    still that of the stage before.
    """

    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)

    def __init__(
        self, depths: Sequence[int] = (3, 4, 23, 3), width: int = 64, dilated: bool = False
    ) -> None:
        super().__init__()
        inner = widths(width)
        dilations = (1, 1, 2, 4) if dilated else (1, 1, 1, 1)

        def block(in_channels: int, stage: int, first: bool) -> Residual:
            channels = inner[stage]
            stride = 2 if stage > 0 and first and dilations[stage] == 1 else 1
            dilation = dilations[max(0, stage - 1) if first else stage]
            spatial = nn.Conv2d(channels, channels, 3, stride, dilation, dilation, bias=False)
            middle = {"spatial": normed(spatial)}
            return bottleneck(nn.Conv2d, in_channels, channels, stride, middle, project=first)

        self.out_channels = widths(EXPANSION * width)
        self.strides = ((1, 4), (1, 8), (1, 8 if dilated else 16), (1, 8 if dilated else 32))
        self.stem = normed(nn.Conv2d(3, width, 7, 2, 3, bias=False))
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.stages = stack(depths, width, self.out_channels, block)
        initialise(self)

    def forward(self, clip: Tensor) -> list[Tensor]:
        return [to_clip(x, clip.shape[0]) for x in super().forward(to_frames(clip))]


@register_encoder("resnet-101", weights_licence="BSD-3-Clause (torchvision)")
def resnet_101() -> ResNet2D:
    """2D ResNet-101, frame by frame."""
    return ResNet2D()


@register_encoder("resnet-101-dilated", weights_licence="BSD-3-Clause (torchvision)")
def resnet_101_dilated() -> ResNet2D:
    """2D ResNet-101 with output stride 8, the backbone of DeepLabV3."""
    return ResNet2D(dilated=True)
