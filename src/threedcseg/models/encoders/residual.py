"""What the residual encoders share: stem, stages of blocks, and how weights start."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from threedcseg.models.encoders.encoder import Encoder

EXPANSION = 4
"""Output channels of a bottleneck over its inner ones."""


class Residual(nn.Module):
    """``relu(branch(x) + shortcut(x))``."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + self.shortcut(x), inplace=True)


class ResidualEncoder(Encoder):
    """A stem, pooling, and stages of residual blocks, each of which gives a feature map."""

    stem: nn.Module
    pool: nn.Module
    stages: nn.ModuleList

    def forward(self, clip: Tensor) -> list[Tensor]:
        x = self.pool(self.stem(clip))
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    def residual_blocks(self) -> list[nn.Module]:
        return [module for module in self.stages.modules() if isinstance(module, Residual)]


def stack(
    depths: Sequence[int],
    stem_channels: int,
    out_channels: Sequence[int],
    block: Callable[[int, int, bool], Residual],
) -> nn.ModuleList:
    """Stages of ``depths[i]`` blocks with ``out_channels[i]`` channels.

    ``block(in_channels, stage, first)`` makes one; ``first``: the first of its stage.
    """
    stages = nn.ModuleList()
    channels = stem_channels
    for stage, depth in enumerate(depths):
        blocks = nn.Sequential()
        for number in range(depth):
            blocks.append(block(channels, stage, number == 0))
            channels = out_channels[stage]
        stages.append(blocks)
    return stages


def widths(first: int) -> tuple[int, int, int, int]:
    """Channels of the four stages: each has twice as many as the one before."""
    return first, 2 * first, 4 * first, 8 * first


def bottleneck(
    conv: type[nn.Conv2d] | type[nn.Conv3d],
    in_channels: int,
    width: int,
    stride: int,
    middle: Mapping[str, nn.Module],
    project: bool,
) -> Residual:
    """Pointwise to ``width`` channels, the units of ``middle``, pointwise to four times as many.

    ``project`` puts a strided pointwise convolution into the shortcut.
    """
    out_channels = EXPANSION * width
    branch = nn.Sequential()
    branch.add_module("reduce", normed(conv(in_channels, width, 1, bias=False)))
    for name, unit in middle.items():
        branch.add_module(name, unit)
    branch.add_module("expand", normed(conv(width, out_channels, 1, bias=False), relu=False))
    if not project:
        return Residual(branch, nn.Identity())
    return Residual(
        branch, normed(conv(in_channels, out_channels, 1, stride, bias=False), relu=False)
    )


def normed(conv: nn.Conv2d | nn.Conv3d, *, relu: bool = True, eps: float = 1e-5) -> nn.Sequential:
    """A convolution without bias, its batch norm and, unless told otherwise, a ReLU."""
    norm = nn.BatchNorm2d if isinstance(conv, nn.Conv2d) else nn.BatchNorm3d
    unit = nn.Sequential(conv, norm(conv.out_channels, eps))
    if relu:
        unit.append(nn.ReLU(inplace=True))
    return unit


def initialise(encoder: nn.Module) -> None:
    """Start convolutions so that a deep network passes signals on (He et al. 2015)."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
