"""A network made ready for fast training, its parameters and their names unchanged.

Batch norms whose statistics are frozen are a factor and an offset, folded into the convolution
before them inside the graph: fewer passes over memory, the same result and the same gradients. And
depthwise convolutions are computed in the way that is fastest on the device.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threedcseg.training.depthwise import AVAILABLE, depthwise, depthwise_torch

Depthwise = Callable[[Tensor, Tensor, Tensor | None, int, tuple[int, int], bool], Tensor]
"""`depthwise` or `depthwise_torch`."""


class FoldedConv(nn.Sequential):
    """Convolution, batch norm and perhaps ReLU6, as one while the norm's statistics are frozen."""

    def __init__(self, parts: nn.Sequential, by: Depthwise) -> None:
        super().__init__(*parts)
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        conv, norm = self[0], self[1]
        assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None and norm.running_var is not None
        if norm.training:
            out: Tensor = super().forward(x)
            return out
        factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        weight = conv.weight * factor[:, None, None, None]
        bias = norm.bias - norm.running_mean * factor
        if is_depthwise(conv):
            return self.by(_cast(x), weight, bias, conv.stride[0], _padding(conv), len(self) > 2)
        y = F.conv2d(x, weight, bias, conv.stride, conv.padding, 1, conv.groups)
        return F.relu6(y, inplace=True) if len(self) > 2 else y


class DepthwiseConv(nn.Conv2d):
    """A depthwise convolution with the parameters of another."""

    def __init__(self, conv: nn.Conv2d, by: Depthwise) -> None:
        nn.Module.__init__(self)
        self.__dict__ |= {name: value for name, value in vars(conv).items() if name != "_modules"}
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return self.by(_cast(x), self.weight, self.bias, self.stride[0], _padding(self), False)


def fold(network: nn.Module, by: Depthwise) -> None:
    """Replace, in ``network``, what can be computed faster; its state dict stays as it is."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Sequential) and is_foldable(child):
                setattr(module, name, FoldedConv(child, by))
            elif (
                isinstance(child, nn.Conv2d)
                and is_depthwise(child)
                and not isinstance(module, FoldedConv)
            ):
                setattr(module, name, DepthwiseConv(child, by))


def is_foldable(parts: nn.Sequential) -> bool:
    """Whether it is a convolution without a bias, a batch norm and at most a ReLU6."""
    kinds = [type(part) for part in parts]
    known = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU6]
    return len(kinds) >= 2 and kinds == known[: len(kinds)] and parts[0].bias is None


def is_depthwise(conv: nn.Conv2d) -> bool:
    """Whether each channel is convolved with a kernel of its own, at one stride, undilated."""
    return (
        conv.groups == conv.in_channels == conv.out_channels > 1
        and conv.stride[0] == conv.stride[1]
        and tuple(conv.dilation) == (1, 1)
        and isinstance(conv.padding, tuple)
        and conv.padding_mode == "zeros"
    )


def _padding(conv: nn.Conv2d) -> tuple[int, int]:
    assert not isinstance(conv.padding, str)
    rows, columns = conv.padding
    return rows, columns


def fastest_depthwise(device: torch.device, dtype: torch.dtype) -> tuple[Depthwise, str]:
    """The faster way on ``device``, and a line that says which and by how much."""
    if device.type != "cuda":
        return depthwise_torch, f"depthwise convolutions by torch: no Triton on {device.type}"
    if not AVAILABLE:
        return depthwise_torch, "depthwise convolutions by torch: Triton is not installed"
    try:
        seconds = [_measured(by, device, dtype) for by in (depthwise, depthwise_torch)]
    except Exception as error:  # a compiler has many ways to fail, and none may stop a training
        reason = str(error).strip().splitlines()[:1]
        return depthwise_torch, f"depthwise convolutions by torch: Triton failed ({reason})"
    told = f"{1e3 * seconds[0]:.2f} ms by Triton, {1e3 * seconds[1]:.2f} ms by torch"
    by, name = (depthwise, "Triton") if seconds[0] < seconds[1] else (depthwise_torch, "torch")
    return by, f"depthwise convolutions by {name}: forward and backward {told}"


def _measured(by: Depthwise, device: torch.device, dtype: torch.dtype) -> float:
    """Seconds for two convolutions as they occur, the least of three; wrong results raise."""
    least = [float("inf"), float("inf")]
    for number, (shape, kernel) in enumerate(
        (((64, 144, 56, 100), (5, 5)), ((8, 144, 8, 5600), (3, 1)))
    ):
        x = torch.randn(shape, device=device, dtype=dtype).to(memory_format=torch.channels_last)
        x.requires_grad_()
        weight = torch.randn((shape[1], 1, *kernel), device=device, requires_grad=True)
        bias = torch.randn(shape[1], device=device, requires_grad=True)
        padding = (kernel[0] // 2, kernel[1] // 2)
        for _ in range(4):  # the first compiles
            torch.cuda.synchronize(device)
            began = time.perf_counter()
            with torch.autocast(device.type, dtype, dtype != torch.float32):
                y = by(x, weight, bias, 1, padding, False)
            y.backward(torch.ones_like(y))
            torch.cuda.synchronize(device)
            least[number] = min(least[number], time.perf_counter() - began)
        sums = F.conv2d(
            x.detach(), weight.detach().to(dtype), bias.detach().to(dtype), 1, padding, 1, shape[1]
        )
        if not torch.allclose(y.detach().float(), sums.float(), rtol=0.05, atol=0.05):
            raise ArithmeticError("a wrong result")
    return sum(least)


def _cast(x: Tensor) -> Tensor:
    """To the type of autocast, where it is on: it does not reach into kernels of our own."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x
