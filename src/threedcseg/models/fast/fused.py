"""Blocks whose additions and ReLUs happen inside their convolutions, in place where it is safe."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threedcseg.models.blocks import upsample
from threedcseg.models.fast.convolutions import PointwiseConv3d, may_be_fast
from threedcseg.models.refinement import RF3D


class FusedResidual(nn.Module):
    """`Residual` whose branch ends in a 1x1x1 convolution, which takes over addition and ReLU.

    With ``overwrites_input``, the result takes the place of the input in memory.
    """

    def __init__(self, branch: nn.Sequential, last: PointwiseConv3d, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch, self.last, self.shortcut = branch, last, shortcut
        self.last.relu = True
        self.overwrites_input = False

    def forward(self, x: Tensor) -> Tensor:
        residual = self.shortcut(x)
        own = self.overwrites_input or residual is not x
        return self.last(self.branch(x), residual=residual, out=residual if own else None)


class FusedRF3D(nn.Module):
    """`RF3D` whose additions and ReLUs happen inside its convolutions.

    All are `FastConv3d`, or all `FusedSeparableConv3d`.
    """

    def __init__(self, module: RF3D) -> None:
        super().__init__()
        self.skip1, self.skip2, self.skip3 = module.skip1, module.skip2, module.skip3
        self.merge1, self.merge2 = module.merge1, module.merge2
        for conv in (self.skip2, self.merge1):
            conv.relu_input = conv.relu = True  # type: ignore[assignment]

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        x = self.skip1(skip)
        y = self.skip2(x)
        x = self.skip3(y, residual=x, out=x)
        x = add_upsampled(x, coarse)
        y = self.merge1(x, out=y)
        return self.merge2(y, residual=x, out=x)


def add_upsampled(x: Tensor, coarse: Tensor) -> Tensor:
    """``x`` plus ``coarse`` upsampled trilinearly to its size; in place, frame by frame."""
    if not may_be_fast(x, coarse):
        return x + upsample(coarse, like=x)
    frames, coarse_frames = x.shape[2], coarse.shape[2]
    for t in range(frames):
        at = max(0.0, (t + 0.5) * coarse_frames / frames - 0.5)  # align_corners=False
        before = min(int(at), coarse_frames - 1)
        after = min(before + 1, coarse_frames - 1)
        frame = torch.lerp(coarse[:, :, before], coarse[:, :, after], at - before)
        x[:, :, t] += F.interpolate(frame, x.shape[3:], mode="bilinear", align_corners=False)
    return x
