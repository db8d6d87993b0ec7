"""Convolutions on channels-last frames that do, in the same pass, what stands around them.

The compact network is bound by memory, not by arithmetic: a ReLU6 or an addition by itself reads
and writes a whole map once more. oneDNN applies both to its results before they leave the registers
(`threedcseg.models.fast.onednn`). Where it is absent, on other devices, where gradients are
recorded and while a model is exported or compiled, the same is computed by plain operators.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threedcseg.models.blocks import SeparableConv3d, upsample
from threedcseg.models.encoders.efficientnet import InvertedBottleneck
from threedcseg.models.fast import onednn
from threedcseg.models.fast.convolutions import may_be_fast, unrecorded_on_cpu
from threedcseg.models.fast.onednn import Activation
from threedcseg.models.layout import to_clip, to_frames
from threedcseg.models.refinement import LightRefinement


class FusedConv2d(nn.Conv2d):
    """A 2D convolution and what comes after it: ``activation(conv(x) + residual)``.

    The result may take the place of ``residual`` in memory if ``overwrite`` is set; only the
    returned tensor is sure to hold it.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            conv.dilation,  # type: ignore[arg-type]
            conv.groups,
            device="meta",
        )
        self.weight, self.bias = conv.weight, conv.bias
        self.weight.data = self.weight.contiguous(memory_format=torch.channels_last)
        self.activation: Activation = "none"

    def forward(self, x: Tensor, residual: Tensor | None = None, overwrite: bool = False) -> Tensor:
        dtype = _fused_dtype(x, self.weight)
        if dtype is None or (residual is not None and self.activation == "relu6"):  # no such op
            y = super().forward(x)
            y = y if residual is None else y + residual
            return {"none": lambda y: y, "relu": F.relu, "relu6": F.relu6}[self.activation](y)
        return onednn.convolve(
            x.to(dtype),
            self.weight.to(dtype),
            None if self.bias is None else self.bias.to(dtype),
            onednn.Geometry(self.padding, self.stride, self.dilation, self.groups),  # type: ignore[arg-type]
            self.activation,
            None if residual is None else residual.to(dtype),
            overwrite,
        )


class OneChannelConv2d(FusedConv2d):
    """A 3x3 convolution to one channel, which oneDNN takes three times as long for: as one matrix
    product with nine outputs, one for each place of the kernel, shifted and added."""

    def forward(self, x: Tensor, residual: Tensor | None = None, overwrite: bool = False) -> Tensor:
        if residual is not None or self.activation != "none" or not may_be_fast(x, self.weight):
            return super().forward(x, residual, overwrite)
        frames, channels, height, width = x.shape
        kernel = self.weight[0].flatten(1).t()  # (9, C)
        products = kernel @ x.transpose(0, 1).reshape(channels, -1)
        products = products.view(3, 3, frames, height, width)
        y = products[1, 1] if self.bias is None else products[1, 1] + self.bias
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                if down or right:
                    _add_shifted(y, products[1 + down, 1 + right], down, right)
        return y[:, None]


def _add_shifted(y: Tensor, product: Tensor, down: int, right: int) -> None:
    """``y[:, i, j] += product[:, i + down, j + right]`` where there is such a place."""
    height, width = y.shape[1:]
    here = slice(max(0, -down), height - max(0, down))
    across = slice(max(0, -right), width - max(0, right))
    there = slice(max(0, down), height + min(0, down))
    beyond = slice(max(0, right), width + min(0, right))
    y[:, here, across] += product[:, there, beyond]


class FusedBottleneck(nn.Module):
    """`InvertedBottleneck` with batch norms folded, whose convolutions clamp and add by the way.

    With a skip, its result takes the place of its input in memory.
    """

    def __init__(self, module: InvertedBottleneck) -> None:
        super().__init__()
        self.skip = module.skip
        self.expand, self.spatial = module.expand, module.spatial
        self.temporal, self.project = module.temporal, module.project

    def forward(self, frames: Tensor, batch: int) -> Tensor:
        x = self.temporal(self.spatial(self.expand(frames)), batch)
        # Nobody else reads the input: a feature map is what comes before a block without a skip.
        if self.skip:
            return self.project(x, residual=frames, overwrite=True)
        return self.project(x)


class FusedSeparableConv3d(nn.Module):
    """`SeparableConv3d` and what stands around it, called as `FastConv3d` is:

    ``relu(conv(relu_input(x)) + residual)``, each ReLU if the attribute of its name is set. The
    result may take the place of ``residual`` if that is ``out`` as well.
    """

    def __init__(self, module: SeparableConv3d) -> None:
        super().__init__()
        self.spatial, self.temporal, self.mix = module.spatial, module.temporal, module.mix
        self.relu_input = False

    @property
    def relu(self) -> bool:
        return self.mix.activation == "relu"

    @relu.setter
    def relu(self, on: bool) -> None:
        self.mix.activation = "relu" if on else "none"  # type: ignore[assignment]

    def forward(
        self, x: Tensor, residual: Tensor | None = None, out: Tensor | None = None
    ) -> Tensor:
        frames = self.spatial(to_frames(x.relu() if self.relu_input else x))
        frames = self.temporal(frames, len(x))
        if residual is None:
            return to_clip(self.mix(frames), len(x))
        frames = self.mix(frames, to_frames(residual), overwrite=out is residual)
        return to_clip(frames, len(x))


class FusedLightRefinement(nn.Module):
    """`LightRefinement` whose additions and ReLUs happen inside its convolutions."""

    def __init__(self, module: LightRefinement) -> None:
        super().__init__()
        self.coarse, self.skip = module.coarse, module.skip
        self.merge1, self.merge2 = module.merge1, module.merge2
        self.merge1.relu_input = self.merge1.relu = True  # type: ignore[assignment]

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        frames = self.coarse(to_frames(coarse).relu())
        if skip.shape[2] == coarse.shape[2]:  # time is never strided in the encoders it is for
            frames = F.interpolate(frames, skip.shape[3:], mode="bilinear", align_corners=False)
            enlarged = to_clip(frames, len(coarse))
        else:
            enlarged = upsample(to_clip(frames, len(coarse)), like=skip)
        x = self.skip(skip, residual=enlarged, out=enlarged)
        return self.merge2(self.merge1(x), residual=x, out=x)


def fuse_convolution(conv: nn.Conv2d) -> FusedConv2d:
    """The counterpart of a 2D convolution that is padded with zeros, if at all."""
    one = conv.out_channels == conv.groups == 1 and conv.kernel_size == (3, 3)
    same = conv.stride == conv.padding == conv.dilation == (1, 1)
    return OneChannelConv2d(conv) if one and same else FusedConv2d(conv)


def _fused_dtype(x: Tensor, weight: Tensor) -> torch.dtype | None:
    """What a fused convolution is to compute in; None where the plain one has to do it."""
    if not unrecorded_on_cpu(x, weight) or weight.dtype != torch.float32:
        return None
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    return dtype if onednn.fuses(dtype) else None
