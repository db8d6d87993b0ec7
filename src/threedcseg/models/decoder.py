"""The decoder: a bridge on the coarsest map, then one refinement for each finer map (figure 3)."""

from collections.abc import Sequence

from torch import Tensor, nn


class Decoder(nn.Module):
    """``bridge(coarsest)``, then ``refinement(skip, coarser)`` from coarse to fine, then a head.

    ``refinements`` are ordered coarse to fine: strides 16, 8, 4. Returns logits at the size of the
    finest feature map.
    """

    def __init__(
        self, bridge: nn.Module, refinements: Sequence[nn.Module], head: nn.Module
    ) -> None:
        super().__init__()
        self.bridge = bridge
        self.refinements = nn.ModuleList(refinements)
        self.head = head

    def forward(self, features: list[Tensor]) -> Tensor:
        *skips, coarsest = features  # finest first
        x = self.bridge(coarsest)
        for refinement, skip in zip(self.refinements, reversed(skips), strict=True):
            x = refinement(skip, x)
        return self.head(x)
