"""The paper's network and all of its ablations: any encoder, bridge and refinement by name."""

from torch import nn

from threedcseg.errors import InputError
from threedcseg.models.bridges import conv3x3x3
from threedcseg.models.decoder import Decoder
from threedcseg.models.encoders.encoder import Encoder
from threedcseg.models.network import SegmentationNetwork
from threedcseg.models.registry import BRIDGES, ENCODERS, REFINEMENTS, register_model


@register_model("3dc-seg", weights_licence="MIT")
def threedc_seg(
    encoder: str | Encoder = "ir-csn-152",
    bridge: str = "gc3d",
    refinement: str = "rf3d",
    channels: int = 256,
    classes: int = 2,
    unused_heads: bool = False,
) -> SegmentationNetwork:
    """The paper's network (section 3) and its ablations.

    ``encoder``: a name, or an encoder of your own. ``channels`` of the decoder; ``classes``: 2, as
    published (background and foreground, a softmax), or 1 (foreground, a sigmoid).
    ``unused_heads`` adds the three prediction heads at coarser scales that the published network
    carries and computes, and nobody reads. Raises `InputError` for values that cannot be built.
    """
    if not isinstance(channels, int) or channels < 8:
        raise InputError(f"decoder of {channels!r} channels: give a whole number from 8 on")
    if classes not in (1, 2):
        raise InputError(f"{classes!r} classes: give 1 (foreground) or 2 (background, foreground)")
    made = ENCODERS.build(encoder) if isinstance(encoder, str) else encoder
    *skips, coarsest = made.out_channels

    def head() -> nn.Module:
        return nn.Sequential(nn.ReLU(), conv3x3x3(channels, classes))

    decoder = Decoder(
        bridge=BRIDGES.build(bridge, coarsest, channels),
        refinements=[REFINEMENTS.build(refinement, skip, channels) for skip in reversed(skips)],
        head=head(),
        unused_heads=[head() for _ in skips] if unused_heads else [],
    )
    return SegmentationNetwork(made, decoder, made.mean, made.std)
