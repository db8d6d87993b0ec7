"""Batch norms folded into the convolutions before them."""

from typing import TypeGuard

import torch
from torch import nn

Convolution = nn.Conv2d | nn.Conv3d
BatchNorm = nn.BatchNorm2d | nn.BatchNorm3d


def is_fixed(module: nn.Module) -> TypeGuard[BatchNorm]:
    """Whether a module is a batch norm that evaluates to a fixed scale and shift."""
    return isinstance(module, BatchNorm) and module.affine and module.track_running_stats


def fold(conv: Convolution, norm: BatchNorm) -> None:
    """Give ``conv`` the weights that include ``norm``, computed in float64."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    scale = norm.weight.double() / torch.sqrt(variance.double() + norm.eps)
    weight = conv.weight.double() * scale.view(-1, *[1] * (conv.weight.dim() - 1))
    bias = norm.bias.double() - mean.double() * scale
    if conv.bias is not None:
        bias += conv.bias.double() * scale
    dtype = conv.weight.dtype
    conv.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
    conv.bias = nn.Parameter(bias.to(dtype), requires_grad=False)
