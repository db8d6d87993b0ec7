"""R(2+1)D-34 in the form that was trained on IG-65M.

Every 3x3x3 convolution is a 1x3x3 one, a batch norm and ReLU, and a 3x1x1 one, with as many
planes in between as give the pair the parameters of the 3x3x3 (Tran et al., "A closer look at
spatiotemporal convolutions for action recognition", CVPR 2018). The IG-65M form (Ghadiyaram et
al., CVPR 2019) counts those planes for each convolution by itself, also where a block changes the
number of channels. It has no pooling, so all maps are twice as large as the CSN's, the "lower
stride" of Table 1; with ``pool`` it has the nominal strides, as in the published segmentation
code. For a clip of 8 frames at 480x864:

    clip          (B,   3, 8, 480, 864)
    features[0]   (B,  64, 8, 240, 432)    stride 1 in time,  2 in space ( 4 with pool)
    features[1]   (B, 128, 4, 120, 216)    stride 2 in time,  4 in space ( 8 with pool)
    features[2]   (B, 256, 2,  60, 108)    stride 4 in time,  8 in space (16 with pool)
    features[3]   (B, 512, 1,  30,  54)    stride 8 in time, 16 in space (32 with pool)
"""

from collections.abc import Sequence

from torch import nn

from threedcseg.models.encoders.residual import (
    Residual,
    ResidualEncoder,
    initialise,
    normed,
    stack,
    widths,
)
from threedcseg.models.registry import register_encoder

BN_EPS = 1e-3


def basic_block(in_channels: int, channels: int, stride: int) -> Residual:
    """Two factorised 3x3x3 convolutions; the first one strides in space and time."""
    branch = nn.Sequential()
    for index, (source, step) in enumerate(((in_channels, stride), (channels, 1)), start=1):
        planes = 27 * source * channels // (9 * source + 3 * channels)
        spatial = nn.Conv3d(source, planes, (1, 3, 3), (1, step, step), (0, 1, 1), bias=False)
        temporal = nn.Conv3d(planes, channels, (3, 1, 1), (step, 1, 1), (1, 0, 0), bias=False)
        branch.add_module(f"spatial{index}", normed(spatial, eps=BN_EPS))
        branch.add_module(f"temporal{index}", normed(temporal, relu=index == 1, eps=BN_EPS))
    if stride == 1 and in_channels == channels:
        return Residual(branch, nn.Identity())
    shortcut = nn.Conv3d(in_channels, channels, 1, stride, bias=False)
    return Residual(branch, normed(shortcut, relu=False, eps=BN_EPS))


class R2Plus1D(ResidualEncoder):
    """A factorised residual network; see the module's docstring for shapes.

    ``depths``: blocks in each stage; ``width``: channels of the first stage; ``pool``: max pooling
    after the stem.
    """

    mean = (0.43216, 0.394666, 0.37645)
    std = (0.22803, 0.22145, 0.216989)

    def __init__(
        self, depths: Sequence[int] = (3, 4, 6, 3), width: int = 64, pool: bool = False
    ) -> None:
        super().__init__()

        def block(in_channels: int, stage: int, first: bool) -> Residual:
            return basic_block(in_channels, self.out_channels[stage], 2 if stage and first else 1)

        self.out_channels = widths(width)
        time, space = (1, 2, 4, 8), widths(4 if pool else 2)
        a, b, c, d = zip(time, space, strict=True)
        self.strides = (a, b, c, d)
        planes = 45 * width // 64
        spatial = nn.Conv3d(3, planes, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False)
        temporal = nn.Conv3d(planes, width, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.stem = nn.Sequential()
        self.stem.add_module("spatial", normed(spatial, eps=BN_EPS))
        self.stem.add_module("temporal", normed(temporal, eps=BN_EPS))
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)) if pool else nn.Identity()
        self.stages = stack(depths, width, self.out_channels, block)
        initialise(self)


@register_encoder("r2plus1d-34", weights_licence="Apache-2.0 (VMZ)")
def r2plus1d_34() -> R2Plus1D:
    """R(2+1)D-34 of IG-65M: strides 2 to 16, the lower stride of Table 1."""
    return R2Plus1D()


@register_encoder("r2plus1d-34-pool", weights_licence="Apache-2.0 (VMZ)")
def r2plus1d_34_pool() -> R2Plus1D:
    """R(2+1)D-34 with max pooling after its stem, as the published segmentation code has it."""
    return R2Plus1D(pool=True)
