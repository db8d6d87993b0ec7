"""Convolutions of channels-last images by oneDNN, on a CPU: forward and both gradients.

PyTorch calls oneDNN too, but not always where it is fast. Here, ReLU6 happens inside a convolution.
1x1 convolutions of few frames are left to oneDNN with one thread as well. And the gradient of the
weights of depthwise convolutions has a fast kernel for at most three columns: five are computed as
twice three.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_back = torch.ops.aten.convolution_backward
_back_through_relu6 = torch.ops.aten.hardtanh_backward


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: tuple[int, int] = (0, 0),
    relu6: bool = False,
) -> Tensor:
    """``x (N, C, H, W)`` convolved with ``weight (D, C / groups, KH, KW)``, float32.

    The result is channels-last, and so are gradients.
    """
    y: Tensor = _Convolution.apply(x, weight, bias, stride, padding, relu6)
    return y


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: int,
        padding: tuple[int, int],
        relu6: bool,
    ) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        groups = x.shape[1] // weight.shape[1]
        after = ("hardtanh", [0.0, 6.0]) if relu6 else ("none", [])
        how = padding, (stride, stride), (1, 1), groups
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *how, *after, "")
        ctx.save_for_backward(x, weight, y if relu6 else None)
        ctx.how = stride, padding
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, y = ctx.saved_tensors
        stride, padding = ctx.how
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        if y is not None:
            gradient = _back_through_relu6(gradient, y, 0.0, 6.0)
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        # oneDNN's sum for the bias is slower than this one.
        sums = gradient.permute(0, 2, 3, 1).flatten(0, 2).sum(0) if of_bias else None
        both = gradients(gradient, x, weight, stride, padding, of_x, of_weight)
        return *both, sums, None, None, None


def gradients(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: int,
    padding: tuple[int, int],
    of_x: bool = True,
    of_weight: bool = True,
) -> tuple[Tensor | None, Tensor | None]:
    """Of a convolution's channels-last input, and of its weight, each if it is wanted."""
    depthwise = weight.shape[1] == 1 < len(weight) == x.shape[1]
    shape = x.shape
    if weight.shape[2:] == (1, 1) and stride == 1 and padding == (0, 0):
        gradient, x = _rows(gradient), _rows(x)
    elif depthwise and weight.shape[3] == 5 and padding[1] == 2 and of_weight:
        return _of_five_columns(gradient, x, weight, stride, padding[0], of_x)
    groups = x.shape[1] // weight.shape[1]
    how = (stride, stride), padding, (1, 1), False, (0, 0), groups, (of_x, of_weight, False)
    dx, dw, _ = _back(gradient, x, weight, None, *how)
    if dx is not None and dx.shape != shape:
        dx = dx.permute(0, 2, 3, 1).view(shape[0], *shape[2:], shape[1]).permute(0, 3, 1, 2)
    return dx, dw


def _rows(images: Tensor) -> Tensor:
    """Channels-last ``(N, C, H, W)`` as ``(N*H, C, 1, W)``: with one thread, PyTorch leaves 1x1
    convolutions of fewer than 16 images to a way that takes twice as long."""
    return images.permute(0, 2, 3, 1).flatten(0, 1)[:, None].permute(0, 3, 1, 2)


def _of_five_columns(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: int, rows: int, of_x: bool
) -> tuple[Tensor | None, Tensor]:
    """`gradients` of a depthwise convolution with ``(..., 5)`` kernels and a padding of two.

    Two columns of zeros stand after each row, so that a view that begins a column earlier or later
    is the image shifted: its three columns in the middle are the first, or the last, of five.
    """
    width = x.shape[3]
    x, earlier, later = _framed(x, width + 2)
    gradient, _, _ = _framed(gradient, (width + 1) // stride + 1)
    how = (1, 1), False, (0, 0), len(weight)
    strides, three = (stride, stride), weight[..., :3]
    dx = None
    if of_x:
        of_only_x = True, False, False
        dx = _back(gradient, x, weight, None, strides, (rows, 2), *how, of_only_x)[0][..., :width]
    first, last = (
        _back(gradient, x, three, None, strides, (rows, 1), *how, (False, True, False))[1]
        for x in (earlier, later)
    )
    return dx, torch.cat([first, last[..., 1:]], 3)


def _framed(images: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Channels-last ``(N, C, H, W)`` with zeros after each row up to ``width``; the same, moved to
    the right by a column, and moved to the left."""
    count, channels, height, given = images.shape
    memory = images.new_empty((count * height * width + 2) * channels)
    moved, framed, back = (
        memory[column * channels :][: count * height * width * channels]
        .view(count, height, width, channels)
        .permute(0, 3, 1, 2)
        for column in range(3)
    )
    memory[:channels] = 0
    memory[-channels:] = 0
    framed[..., given:] = 0
    framed[..., :given] = images
    return framed, moved, back
