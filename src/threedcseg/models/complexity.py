"""Parameters and multiply-adds of networks and their parts, counted without doing the work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode

from threedcseg.models.meta import skeleton
from threedcseg.models.registry import BRIDGES, ENCODERS, REFINEMENTS, create_model

CLIP = (1, 3, 8, 480, 864)
"""The clip that costs are counted for: 8 frames at 480x854, padded to multiples of 32."""
CHANNELS = 256
"""Of the paper's decoder."""


@dataclass(frozen=True)
class Census:
    """Numbers of parameters by kind, and of multiply-adds for the input that was given.

    ``norms``: scales and shifts; ``statistics``: running means and variances of batch norms, which
    no optimiser sees.
    """

    convolutions: int
    norms: int
    statistics: int
    macs: int

    @property
    def parameters(self) -> int:
        """What an optimiser sees."""
        return self.convolutions + self.norms

    def __add__(self, other: "Census") -> "Census":
        return Census(
            self.convolutions + other.convolutions,
            self.norms + other.norms,
            self.statistics + other.statistics,
            self.macs + other.macs,
        )


def count(build: Callable[[], nn.Module], *shapes: tuple[int, ...]) -> Census:
    """Build a module on the meta device and run it on inputs of ``shapes``."""
    with skeleton():
        module = build().eval()
    parts = list(module.modules())
    for part in parts:
        if isinstance(part, _BatchNorm):  # folded into convolutions, and slow to trace
            part.forward = nn.Identity().forward  # type: ignore[method-assign]
    inputs = [torch.empty(shape, device="meta") for shape in shapes]
    with torch.no_grad(), _MultiplyAdds() as counter:
        module(*inputs)
    convolutions = sum(
        parameter.numel()
        for part in parts
        if isinstance(part, _ConvNd)
        for parameter in part.parameters(recurse=False)
    )
    statistics = sum(
        buffer.numel()
        for part in parts
        if isinstance(part, _BatchNorm)
        for name, buffer in part.named_buffers()
        if name.startswith("running")
    )
    norms = sum(parameter.numel() for parameter in module.parameters()) - convolutions
    return Census(convolutions, norms, statistics, counter.total)


class _MultiplyAdds(TorchFunctionMode):
    """Adds up those of convolutions and matrix products, as `torch.utils.flop_counter` does.

    It looks at calls where that one looks at dispatches, and so takes half the time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if func in (F.conv2d, F.conv3d):
            self.total += out.numel() * args[1][0].numel()
        elif func is F.conv_transpose3d:
            self.total += args[0].numel() * args[1][0].numel()
        elif func in (torch.matmul, Tensor.matmul, Tensor.__matmul__):
            self.total += out.numel() * args[0].shape[-1]
        return out


def of_encoder(name: str) -> Census:
    """Count an encoder by its name."""
    return count(partial(ENCODERS.build, name), CLIP)


def of_bridge(name: str) -> Census:
    """Count a bridge on the coarsest map of the paper's encoder."""
    coarsest = _paper_maps()[-1]
    return count(partial(BRIDGES.build, name, coarsest[1], CHANNELS), coarsest)


def of_refinement(name: str) -> Census:
    """Count all three stages of a refinement on the maps of the paper's encoder."""
    total = Census(0, 0, 0, 0)
    for fine, coarse in pairwise(_paper_maps()):
        build = partial(REFINEMENTS.build, name, fine[1], CHANNELS)
        total += count(build, fine, (1, CHANNELS, *coarse[2:]))
    return total


def of_model(name: str) -> Census:
    """Count a whole network by its name, with its default options."""
    return count(partial(create_model, name), CLIP)


def _paper_maps() -> list[tuple[int, ...]]:
    """Shapes of the feature maps of the paper's encoder, finest first."""
    with skeleton():
        encoder = ENCODERS.build("ir-csn-152")
    _, _, frames, height, width = CLIP
    return [
        (1, channels, frames // time, height // space, width // space)
        for channels, (time, space) in zip(encoder.out_channels, encoder.strides, strict=True)
    ]
