"""The decoder: a bridge on the coarsest map, then one refinement for each finer map (figure 3)."""

from collections.abc import Sequence

from torch import Tensor, nn


class Decoder(nn.Module):
    """``bridge(coarsest)``, then ``refinement(skip, coarser)`` from coarse to fine, then a head.

    ``refinements`` are ordered coarse to fine: strides 16, 8, 4. Returns logits at the size of the
    finest feature map. ``unused_heads``, one for the bridge's map and each refinement's but the
    last, are computed and their results dropped: that is what the published network does, and a
    fair comparison of speed needs it.
    """

    def __init__(
        self,
        bridge: nn.Module,
        refinements: Sequence[nn.Module],
        head: nn.Module,
        unused_heads: Sequence[nn.Module] = (),
    ) -> None:
        super().__init__()
        self.bridge = bridge
        self.refinements = nn.ModuleList(refinements)
        self.head = head
        self.unused_heads = nn.ModuleList(unused_heads)

    def forward(self, features: list[Tensor]) -> Tensor:
        *skips, coarsest = features  # finest first
        x = self.bridge(coarsest)
        for stage, (refinement, skip) in enumerate(
            zip(self.refinements, reversed(skips), strict=True)
        ):
            for unused in self.unused_heads[stage : stage + 1]:
                unused(x)
            x = refinement(skip, x)
        return self.head(x)
