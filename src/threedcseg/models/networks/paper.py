"""The paper's network and all of its ablations: any encoder, bridge and refinement by name."""

from typing import Literal

from torch import nn

from threedcseg.models.assembly import Channels, Convolution, assemble
from threedcseg.models.blocks import conv3x3x3
from threedcseg.models.encoders.encoder import Encoder
from threedcseg.models.network import SegmentationNetwork
from threedcseg.models.registry import ENCODERS, register_model


@register_model("3dc-seg", weights_licence="MIT")
def threedc_seg(
    encoder: str | Encoder = "ir-csn-152",
    bridge: str = "gc3d",
    refinement: str = "rf3d",
    channels: Channels = 256,
    classes: Literal[1, 2] = 2,
    convolution: Convolution = "plain",
) -> SegmentationNetwork:
    """The paper's network (section 3) and its ablations.

    ``encoder``: a name, or an encoder of your own. ``channels`` of the decoder; ``classes``: 2, as
    published (background and foreground, a softmax), or 1 (foreground, a sigmoid).
    ``convolution`` of the decoder: "plain", or "separable" as in the compact network.
    """
    return assemble(
        ENCODERS.build(encoder) if isinstance(encoder, str) else encoder,
        bridge,
        refinement,
        channels=channels,
        convolution=convolution,
        head=lambda channels: nn.Sequential(nn.ReLU(), conv3x3x3(channels, classes)),
    )
