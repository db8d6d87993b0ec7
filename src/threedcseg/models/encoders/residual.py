"""What the residual encoders share: the sum of a branch and a shortcut, and how to start them."""

from torch import Tensor, nn
from torch.nn import functional as F


class Residual(nn.Module):
    """``relu(branch(x) + shortcut(x))``."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + self.shortcut(x), inplace=True)


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
