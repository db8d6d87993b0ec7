"""oneDNN's convolutions, which add and clamp before their results are written.

oneDNN computes most of PyTorch's convolutions on x86. The operators called here are those by which
PyTorch's compiler uses it: they take an addition and an activation along, and they reach it where
PyTorch by itself does not. A thread that computes alone would get its 1x1 convolutions from the
BLAS, which does without AVX-512 on processors that are not Intel's.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Activation = Literal["none", "relu", "relu6"]
_NAMED: dict[Activation, tuple[str | None, list[float]]] = {
    "none": (None, []),
    "relu": ("relu", []),
    "relu6": ("hardtanh", [0.0, 6.0]),
}


class Geometry(NamedTuple):
    """Of a convolution."""

    padding: Sequence[int] = (0, 0)
    stride: Sequence[int] = (1, 1)
    dilation: Sequence[int] = (1, 1)
    groups: int = 1


ONE_BY_ONE = Geometry()


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    geometry: Geometry = ONE_BY_ONE,
    activation: Activation = "none",
    residual: Tensor | None = None,
    overwrite: bool = False,
) -> Tensor:
    """``activation(conv(x) + residual)`` of images ``(B, C, H, W)``, where `fuses` the dtype.

    With a residual, the activation may not be "relu6"; with ``overwrite``, the result may take its
    place in memory.
    """
    name, limits = _NAMED[activation]
    ops = torch.ops.mkldnn
    if residual is None:
        y = ops._convolution_pointwise(x, weight, bias, *geometry, name or "none", limits, "")
    else:
        add: tuple[Any, ...] = "add", 1.0, name, [], None
        y = (
            ops._convolution_pointwise_.binary(residual, x, weight, bias, *geometry, *add)
            if overwrite
            else ops._convolution_pointwise.binary(x, residual, weight, bias, *geometry, *add)
        )
    assert isinstance(y, Tensor)
    return y


def products(x: Tensor, kernels: Tensor) -> Tensor:
    """Of each group by its own kernel: ``(M, G, C)`` and ``(G, N, C)`` to ``(M, G, N)``.

    Where there is no oneDNN, by plain operators.
    """
    (rows, groups, channels), outputs = x.shape, kernels.shape[1]
    if not fuses(x.dtype):
        return torch.einsum("mgc,gnc->mgn", x, kernels).contiguous()
    image = x.view(1, rows, 1, groups * channels).permute(0, 3, 1, 2)  # channels-last
    weight = kernels.view(groups * outputs, channels, 1, 1)
    y = convolve(image, weight, geometry=Geometry(groups=groups))
    return y.permute(0, 2, 3, 1).view(rows, groups, outputs)


@cache
@torch.autocast("cpu", enabled=False)
def fuses(dtype: torch.dtype) -> bool:
    """Whether this CPU has these operators in ``dtype``, and they are right."""
    if dtype not in (torch.float32, torch.bfloat16):
        return False
    x = torch.linspace(-9, 9, 32).view(1, 2, 4, 4).to(dtype, memory_format=torch.channels_last)
    weight = torch.ones(2, 2, 1, 1, dtype=dtype)
    try:
        found = [
            convolve(x, weight, activation="relu6"),
            convolve(x, weight, residual=x),
            convolve(x, weight, residual=x.clone(), overwrite=True),
        ]
    except (AttributeError, RuntimeError):
        return False
    y = F.conv2d(x.float(), weight.float())
    expected = [F.relu6(y), y + x, y + x]
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    return all(
        torch.allclose(a.float(), b, tolerance, tolerance)
        for a, b in zip(found, expected, strict=True)
    )
