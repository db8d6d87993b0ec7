"""A network made ready for fast training, its parameters and their names unchanged.

Batch norms whose statistics are frozen are a factor and an offset, folded into the convolution
before them inside the graph: fewer passes over memory, the same result and the same gradients. And
convolutions are computed in the way that is fastest on the device.
"""

from typing import TypeGuard

import torch
from torch import Tensor, nn

from threedcseg.models.blocks import SeparableConv3d
from threedcseg.models.encoders.efficientnet import InvertedBottleneck
from threedcseg.models.layout import from_time_rows, to_clip, to_frames, to_time_rows
from threedcseg.training import onednn
from threedcseg.training.convolutions import Convolution


class FoldedConv(nn.Sequential):
    """Convolution, batch norm and perhaps ReLU6, as one while the norm's statistics are frozen."""

    def __init__(self, parts: nn.Sequential, by: Convolution) -> None:
        super().__init__(*parts)
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        conv, norm = self[0], self[1]
        assert isinstance(conv, nn.Conv2d)
        if norm.training:
            out: Tensor = super().forward(x)
            return out
        return self.by(x, *folded(self), conv.stride[0], conv.padding, len(self) > 2)  # type: ignore[arg-type]


def folded(parts: nn.Sequential) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution and the frozen batch norm after it as one."""
    conv, norm = parts[0], parts[1]
    assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None and norm.running_var is not None
    factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return conv.weight * factor[:, None, None, None], norm.bias - norm.running_mean * factor


class FoldedBottleneck(InvertedBottleneck):
    """One that expands, by oneDNN as a whole while the statistics of its norms are frozen."""

    def __init__(self, block: InvertedBottleneck) -> None:
        nn.Module.__init__(self)
        self.__dict__ |= vars(block)

    def forward(self, frames: Tensor, batch: int) -> Tensor:
        expand, spatial, project = self.expand, self.spatial, self.project
        assert isinstance(expand, nn.Sequential)
        if any(parts[1].training for parts in (expand, spatial, project)):
            return super().forward(frames, batch)
        tap, conv = self.temporal.conv, spatial[0]
        assert isinstance(conv, nn.Conv2d)
        weight, bias = folded(project)
        last = weight, later_bias(tap.bias, weight, bias)
        parts = folded(expand), folded(spatial), tap.weight, last
        y = onednn.bottleneck(frames, batch, *parts, conv.stride[0])
        return y + frames if self.skip else y


class FoldedSeparableConv3d(SeparableConv3d):
    """One whose bias in time is added at its end, where there are fewer gradients to sum up."""

    def __init__(self, conv: SeparableConv3d, by: Convolution) -> None:
        nn.Module.__init__(self)
        self.__dict__ |= vars(conv)
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        batch, tap = x.shape[0], self.temporal.conv
        frames = self.spatial(to_frames(x))
        rows = self.by(to_time_rows(frames, batch), tap.weight, None, 1, (1, 0), False)
        weight, bias = self.mix.weight, later_bias(tap.bias, self.mix.weight, self.mix.bias)
        frames = from_time_rows(rows, frames.shape[2])
        return to_clip(self.by(frames, weight, bias, 1, (0, 0), False), batch)


def later_bias(bias: Tensor | None, weight: Tensor, last: Tensor | None) -> Tensor:
    """What the ``bias`` before a 1x1 convolution, and its own, come to after it."""
    assert bias is not None and last is not None
    return last + weight.flatten(1) @ bias


class FrameConv(nn.Module):
    """A convolution of frames with the parameters of another, or of clips, in space alone."""

    def __init__(self, conv: nn.Conv2d | nn.Conv3d, by: Convolution) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.stride, self.padding = conv.stride[-1], conv.padding[-2:]
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 4:
            return self.by(x, self.weight, self.bias, self.stride, self.padding, False)  # type: ignore[arg-type]
        weight = self.weight[:, :, 0]
        y = self.by(to_frames(x), weight, self.bias, self.stride, self.padding, False)  # type: ignore[arg-type]
        return to_clip(y, x.shape[0])


def fold(network: nn.Module, by: Convolution) -> None:
    """Replace, in ``network``, what can be computed faster; its state dict stays as it is."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if by is onednn.convolution and is_bottleneck(child):
                setattr(module, name, FoldedBottleneck(child))
            elif isinstance(child, SeparableConv3d):
                setattr(module, name, FoldedSeparableConv3d(child, by))
            elif isinstance(child, nn.Sequential) and is_foldable(child):
                setattr(module, name, FoldedConv(child, by))
            elif not isinstance(module, FoldedConv) and is_plain(child):
                setattr(module, name, FrameConv(child, by))  # type: ignore[arg-type]


def is_bottleneck(module: nn.Module) -> TypeGuard[InvertedBottleneck]:
    return isinstance(module, InvertedBottleneck) and isinstance(module.expand, nn.Sequential)


def is_foldable(parts: nn.Sequential) -> bool:
    """Whether it is a convolution without a bias, a batch norm and at most a ReLU6."""
    kinds = [type(part) for part in parts]
    known = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU6]
    return (
        len(kinds) >= 2
        and kinds == known[: len(kinds)]
        and parts[0].bias is None
        and is_plain(parts[0])
    )


def is_plain(conv: nn.Module) -> bool:
    """Whether it is a convolution in space, padded with zeros, undilated and of one stride."""
    if isinstance(conv, nn.Conv3d):  # by its frames it is faster on a CPU
        in_space = conv.kernel_size[0] == conv.stride[0] == 1 and conv.padding[0] == 0
        if not in_space or conv.weight.device.type != "cpu":
            return False
    return (
        isinstance(conv, (nn.Conv2d, nn.Conv3d))
        and conv.stride[-2] == conv.stride[-1]
        and set(conv.dilation) == {1}
        and isinstance(conv.padding, tuple)
        and conv.padding_mode == "zeros"
    )
