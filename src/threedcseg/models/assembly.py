"""The one place where encoder, bridge, refinements and head become a network."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn

from threedcseg.models.blocks import SeparableConv3d
from threedcseg.models.decoder import Decoder
from threedcseg.models.encoders.encoder import Encoder
from threedcseg.models.motion import MotionStream
from threedcseg.models.network import SegmentationNetwork
from threedcseg.models.registry import BRIDGES, REFINEMENTS

Channels = Annotated[int, Field(ge=8, le=1024)]
"""What a decoder may have: an option of a model is checked against its annotation."""
Convolution = Literal["plain", "separable"]
"""The 3x3x3 convolutions of a decoder: each part's own, or `SeparableConv3d`."""


def assemble(
    encoder: Encoder,
    bridge: str,
    refinement: str,
    *,
    channels: int,
    convolution: Convolution,
    head: Callable[[int], nn.Module],
    finest: int = 0,
    motion: bool = False,
) -> SegmentationNetwork:
    """A decoder of named parts for the maps that ``encoder`` declares, and the network of both.

    ``head`` makes what turns so many channels into logits. ``finest``: channels of a light
    refinement that takes the finest map, instead of one like the others; 0 for none. ``motion``: a
    second stream of what moves against the scene, for encoders whose maps keep every frame.
    """
    *skips, coarsest = encoder.out_channels  # finest first
    conv: dict[str, Any] = {"conv": SeparableConv3d} if convolution == "separable" else {}
    made = BRIDGES.build(bridge, coarsest, channels, **conv)
    refinements = [
        REFINEMENTS.build(refinement, skip, channels, **conv)
        for skip in reversed(skips[1:] if finest else skips)
    ]
    if finest:
        light = REFINEMENTS.build("light", skips[0], finest, coarse_channels=channels, **conv)
        refinements.append(light)
    decoder = Decoder(made, refinements, head(finest or channels))
    stream = MotionStream(encoder.out_channels[-3:]) if motion else None
    return SegmentationNetwork(encoder, decoder, stream)
