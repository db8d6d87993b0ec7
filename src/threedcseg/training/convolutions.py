"""Convolutions to train with, and which way to compute them is the fastest on a device."""

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from threedcseg.training import depthwise, onednn

ROUNDS = 10

Convolution = Callable[[Tensor, Tensor, Tensor | None, int, tuple[int, int], bool], Tensor]
"""Of ``x (N, C, H, W)``, ``weight (D, C / groups, KH, KW)``, bias, stride, padding, and whether a
ReLU6 follows."""


def by_torch(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: tuple[int, int] = (0, 0),
    relu6: bool = False,
) -> Tensor:
    """As PyTorch has it."""
    y = F.conv2d(x, weight, bias, stride, padding, 1, x.shape[1] // weight.shape[1])
    return F.relu6(y, inplace=True) if relu6 else y


def by_triton(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: tuple[int, int] = (0, 0),
    relu6: bool = False,
) -> Tensor:
    """Depthwise ones by Triton, others by torch."""
    if not is_depthwise(x, weight):
        return by_torch(x, weight, bias, stride, padding, relu6)
    if torch.is_autocast_enabled(x.device.type):  # it does not reach into kernels of our own
        x = x.to(torch.get_autocast_dtype(x.device.type))
    return depthwise.depthwise(x, weight, bias, stride, padding, relu6)


def is_depthwise(x: Tensor, weight: Tensor) -> bool:
    """Whether each channel is convolved with a kernel of its own."""
    return weight.shape[1] == 1 < len(weight) == x.shape[1]


def fastest_convolution(device: torch.device, dtype: torch.dtype) -> tuple[Convolution, str]:
    """The faster way on ``device``, and a line that says which and by how much."""
    kind = device.type
    if kind == "cuda" and depthwise.AVAILABLE:
        own, name = by_triton, "Triton"
    elif kind == "cpu" and dtype == torch.float32 and torch.backends.mkldnn.is_available():
        own, name = onednn.convolution, "oneDNN"
    else:
        why = (
            "Triton is not installed" if kind == "cuda" else f"nothing faster in {dtype} on {kind}"
        )
        return by_torch, f"convolutions by torch: {why}"
    try:
        seconds = _measured((own, by_torch), device, dtype)
    except Exception as error:  # a compiler has many ways to fail, and none may stop a training
        reason = str(error).strip().splitlines()[:1]
        return by_torch, f"convolutions by torch: {name} failed ({reason})"
    told = f"{1e3 * seconds[0]:.2f} ms by {name}, {1e3 * seconds[1]:.2f} ms by torch"
    by, name = (own, name) if seconds[0] < seconds[1] else (by_torch, "torch")
    return by, f"convolutions by {name}: forward and backward {told}"


def _measured(
    ways: tuple[Convolution, ...], device: torch.device, dtype: torch.dtype
) -> list[float]:
    """Seconds that each way takes for two convolutions as they occur, the least of `ROUNDS` in
    turns, which other work on the machine disturbs alike; wrong results raise."""
    cuda = device.type == "cuda"
    space, time_rows = (
        ((64, 144, 56, 100), (8, 144, 8, 5600)) if cuda else ((8, 144, 28, 50), (1, 144, 8, 1400))
    )
    sums = [0.0] * len(ways)
    for shape, kernel in ((space, (5, 5)), (time_rows, (3, 1))):
        x = torch.randn(shape, device=device, dtype=dtype).to(memory_format=torch.channels_last)
        x.requires_grad_()
        weight = torch.randn((shape[1], 1, *kernel), device=device, requires_grad=True)
        bias = torch.randn(shape[1], device=device, requires_grad=True)
        padding = (kernel[0] // 2, kernel[1] // 2)
        expected = F.conv2d(
            x.detach(), weight.detach().to(dtype), bias.detach().to(dtype), 1, padding, 1, shape[1]
        )
        least = [float("inf")] * len(ways)
        for _ in range(ROUNDS):  # the first compiles
            for number, by in enumerate(ways):
                if cuda:
                    torch.cuda.synchronize(device)
                began = time.perf_counter()
                with torch.autocast(device.type, dtype, dtype != torch.float32):
                    y = by(x, weight, bias, 1, padding, False)
                y.backward(torch.ones_like(y))
                if cuda:
                    torch.cuda.synchronize(device)
                least[number] = min(least[number], time.perf_counter() - began)
                if not torch.allclose(y.detach().float(), expected.float(), rtol=0.05, atol=0.05):
                    raise ArithmeticError("a wrong result")
        sums = [total + seconds for total, seconds in zip(sums, least, strict=True)]
    return sums
