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

from threedcseg.models.layout import from_time_rows, to_time_rows

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
        y = _convolve(x, weight, bias, stride, padding, relu6)
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
        both = _gradients(gradient, x, weight, stride, padding, of_x, of_weight)
        return *both, _sum(gradient) if of_bias else None, None, None, None


def bottleneck(
    frames: Tensor,
    batch: int,
    expand: tuple[Tensor, Tensor],
    spatial: tuple[Tensor, Tensor],
    temporal: Tensor,
    project: tuple[Tensor, Tensor],
    stride: int,
) -> Tensor:
    """An inverted bottleneck, of weights and biases: 1x1 and depthwise, ReLU6 after each, depthwise
    in time, 1x1; ``(B*T, C, H, W)`` to ``(B*T, D, H / stride, W / stride)``.

    Large maps are computed some channels at a time, from the first convolution to the last and
    back, so that they are still in the processor's cache where they are read again.
    """
    y: Tensor = _Bottleneck.apply(frames, batch, *expand, *spatial, temporal, *project, stride)
    return y


class _Bottleneck(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        batch: int,
        expand: Tensor,
        expand_bias: Tensor,
        spatial: Tensor,
        spatial_bias: Tensor,
        temporal: Tensor,
        project: Tensor,
        bias: Tensor,
        stride: int,
    ) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        around = spatial.shape[2] // 2
        parts, maps = _parts(x, expand), []
        y: Tensor | None = None
        for part in parts:
            a = _convolve(x, expand[part], expand_bias[part], 1, (0, 0), True)
            b = _convolve(a, spatial[part], spatial_bias[part], stride, (around, around), True)
            c = _convolve(to_time_rows(b, batch), temporal[part], None, 1, (1, 0), False)
            maps += [a, b, c]
            c = from_time_rows(c, b.shape[2])
            if y is None:
                y = _convolve(c, project[:, part], bias, 1, (0, 0), False)
            else:
                y += _convolve(c, project[:, part], None, 1, (0, 0), False)
        ctx.save_for_backward(x, expand, spatial, temporal, project, *maps)
        ctx.how = batch, stride, parts
        assert y is not None
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        x, expand, spatial, temporal, project, *maps = ctx.saved_tensors
        batch, stride, parts = ctx.how
        around = spatial.shape[2] // 2
        goes_on, learns = ctx.needs_input_grad[0], any(ctx.needs_input_grad[1:])
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x, found = None, []
        for number, part in enumerate(parts):
            a, b, c = maps[3 * number : 3 * number + 3]
            c = from_time_rows(c, b.shape[2])
            g, of_project = _gradients(gradient, c, project[:, part], 1, (0, 0), True, learns)
            g, b_rows = to_time_rows(g, batch), to_time_rows(b, batch)
            g, of_temporal = _gradients(g, b_rows, temporal[part], 1, (1, 0), True, learns)
            g = _masked(from_time_rows(g, b.shape[2]), b)
            of_spatial_bias = _sum(g) if learns else None
            g, of_spatial = _gradients(g, a, spatial[part], stride, (around, around), True, learns)
            g = _masked(g, a)
            of_expand_bias = _sum(g) if learns else None
            g, of_expand = _gradients(g, x, expand[part], 1, (0, 0), goes_on, learns)
            if goes_on:
                of_x = g if of_x is None else of_x.add_(g)
            found.append(
                (of_expand, of_expand_bias, of_spatial, of_spatial_bias, of_temporal, of_project)
            )
        if not learns:
            return of_x, *[None] * 9
        *others, last = zip(*found, strict=True)
        whole = [torch.cat(some) for some in others]
        return of_x, None, *whole, torch.cat(last, 1), _sum(gradient), None


PART = 5_000_000  # bytes of the largest map that is computed at once
FEWEST = 48  # channels of it: matrix products of fewer are slow


def _parts(x: Tensor, expand: Tensor) -> list[slice]:
    """Which channels of what ``expand`` makes of ``x`` are computed together."""
    channels = len(expand)
    count = max(1, channels // max(FEWEST, PART // (4 * x[:, 0].numel())))
    each = -(-channels // count // 16) * 16
    return [slice(first, first + each) for first in range(0, channels, each)]


def _convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: tuple[int, int],
    relu6: bool,
) -> Tensor:
    after: tuple[str, list[float]] = ("hardtanh", [0.0, 6.0]) if relu6 else ("none", [])
    how = padding, (stride, stride), (1, 1), x.shape[1] // weight.shape[1]
    y: Tensor = torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *how, *after, "")
    return y


def _masked(gradient: Tensor, y: Tensor) -> Tensor:
    """Back through a ReLU6 with the result ``y``, in place where that lies as ``y`` does."""
    g: Tensor
    if not gradient.is_contiguous(memory_format=torch.channels_last):
        g = _back_through_relu6(gradient, y, 0.0, 6.0)
        return g
    g = _back_through_relu6.grad_input(gradient, y, 0.0, 6.0, grad_input=gradient)
    return g


def _sum(gradient: Tensor) -> Tensor:
    """Of a bias: oneDNN's own is slower."""
    return gradient.permute(0, 2, 3, 1).flatten(0, 2).sum(0)


def _gradients(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: int,
    padding: tuple[int, int],
    of_x: bool = True,
    of_weight: bool = True,
) -> tuple[Any, Any]:
    """Of a convolution's channels-last input, and of its weight, each if it is wanted."""
    shape, groups = x.shape, x.shape[1] // weight.shape[1]
    depthwise = weight.shape[1] == 1 < len(weight) == groups
    if depthwise and weight.shape[3] == 5 and padding[1] == 2 and of_weight:
        return _of_five_columns(gradient, x, weight, stride, padding[0], of_x)
    if weight.shape[2:] == (1, 1) and stride == 1 and padding == (0, 0):
        gradient, x = _rows(gradient), _rows(x)
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
    """`_gradients` of a depthwise convolution with ``(..., 5)`` kernels and a padding of two.

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
