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

from threedcseg.models.encoders.encoder import Encoder
from threedcseg.models.encoders.residual import Residual, initialise, normed
from threedcseg.models.layout import to_clip, to_frames
from threedcseg.models.registry import register_encoder

EXPANSION = 4


def bottleneck(in_channels: int, width: int, stride: int, dilation: int, project: bool) -> Residual:
    """One block; its output has ``4 * width`` channels. ``project``: a 1x1 in the shortcut."""
    out_channels = EXPANSION * width
    branch = nn.Sequential()
    branch.add_module("reduce", normed(nn.Conv2d(in_channels, width, 1, bias=False)))
    spatial = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
    branch.add_module("spatial", normed(spatial))
    expand = nn.Conv2d(width, out_channels, 1, bias=False)
    branch.add_module("expand", normed(expand, relu=False))
    if not project:
        return Residual(branch, nn.Identity())
    shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
    return Residual(branch, normed(shortcut, relu=False))


class ResNet2D(Encoder):
    """A residual network on single frames; see the module's docstring for shapes.

    ``depths``: blocks in each stage; ``width``: channels of the stem. ``dilated`` gives output
    stride 8: the first block of a dilated stage still has the dilation of the stage before.
    """

    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)

    def __init__(
        self, depths: Sequence[int] = (3, 4, 23, 3), width: int = 64, dilated: bool = False
    ) -> None:
        super().__init__()
        self.stem = normed(nn.Conv2d(3, width, 7, 2, 3, bias=False))
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.stages = nn.ModuleList()
        channels, dilation = width, 1
        for stage, depth in enumerate(depths):
            blocks = nn.Sequential()
            dilates = dilated and stage >= 2
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 and not dilates else 1
                inner = width * 2**stage
                blocks.append(bottleneck(channels, inner, stride, dilation, block == 0))
                channels = EXPANSION * inner
                if dilates and block == 0:
                    dilation *= 2
            self.stages.append(blocks)
        a, b, c, d = (EXPANSION * width * 2**stage for stage in range(4))
        self.out_channels = (a, b, c, d)
        self.strides = ((1, 4), (1, 8), (1, 8 if dilated else 16), (1, 8 if dilated else 32))
        initialise(self)

    def forward(self, clip: Tensor) -> list[Tensor]:
        x = self.pool(self.stem(to_frames(clip)))  # (B*T, C, h, w)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(to_clip(x, clip.shape[0]))
        return features


@register_encoder("resnet-101", weights_licence="BSD-3-Clause (torchvision)")
def resnet_101() -> ResNet2D:
    """2D ResNet-101, frame by frame."""
    return ResNet2D()


@register_encoder("resnet-101-dilated", weights_licence="BSD-3-Clause (torchvision)")
def resnet_101_dilated() -> ResNet2D:
    """2D ResNet-101 with output stride 8, the backbone of DeepLabV3."""
    return ResNet2D(dilated=True)
