"""Parameters and multiply-adds of networks and their parts, counted without doing the work."""

from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.utils.flop_counter import FlopCounterMode

from threedcseg.models.meta import on_meta
from threedcseg.models.registry import BRIDGES, ENCODERS, REFINEMENTS, create_model
from threedcseg.models.shipped import shipped_options

CLIP = (1, 3, 8, 480, 864)
"""The clip that costs are counted for: 8 frames at 480x854, padded to multiples of 32."""
CHANNELS = 256
"""Of the paper's decoder."""


@dataclass(frozen=True)
class Complexity:
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

    def __add__(self, other: "Complexity") -> "Complexity":
        return Complexity(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def count(build: Callable[[], nn.Module], *shapes: tuple[int, ...]) -> Complexity:
    """Build a module on the meta device and run it on inputs of ``shapes``."""
    with on_meta():
        module = build().eval()
    inputs = [torch.empty(shape, device="meta") for shape in shapes]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    parts = list(module.modules())
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
    macs = counter.get_total_flops() // 2  # a multiply-add is two operations
    return Complexity(convolutions, norms, statistics, macs)


def of_encoder(name: str) -> Complexity:
    """Count an encoder by its name."""
    return count(partial(ENCODERS.build, name), CLIP)


def of_bridge(name: str) -> Complexity:
    """Count a bridge on the coarsest map of the paper's encoder."""
    coarsest = _paper_maps()[-1]
    return count(partial(BRIDGES.build, name, coarsest[1], CHANNELS), coarsest)


def of_refinement(name: str) -> Complexity:
    """Count all three stages of a refinement on the maps of the paper's encoder."""
    total = Complexity(0, 0, 0, 0)
    for fine, coarse in pairwise(_paper_maps()):
        build = partial(REFINEMENTS.build, name, fine[1], CHANNELS)
        total += count(build, fine, (1, CHANNELS, *coarse[2:]))
    return total


def of_model(name: str) -> Complexity:
    """Count a whole network by its name: the one that ships, or that of its default options."""
    return count(partial(create_model, name, **shipped_options(name)), CLIP)


def _paper_maps() -> list[tuple[int, ...]]:
    """Shapes of the feature maps of the paper's encoder, finest first."""
    with on_meta():
        encoder = ENCODERS.build("ir-csn-152")
    _, _, frames, height, width = CLIP
    return [
        (1, channels, frames // time, height // space, width // space)
        for channels, (time, space) in zip(encoder.out_channels, encoder.strides, strict=True)
    ]
