"""Random draws, all of one generator, so that what they decide is a function of its seeds."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch

Item = TypeVar("Item")


class Draw:
    """Draws that depend on nothing but the ``seeds`` and the draws before them."""

    def __init__(self, *seeds: int) -> None:
        seed = int(np.random.SeedSequence(seeds).generate_state(1)[0])
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float, *shape: int) -> np.ndarray:
        return low + (high - low) * torch.rand(shape, generator=self.generator).numpy()

    def normal(self, *shape: int) -> np.ndarray:
        return torch.randn(shape, generator=self.generator).numpy()

    def number(self, low: float, high: float) -> float:
        return float(self.uniform(low, high))

    def chance(self, probability: float) -> bool:
        return self.number(0, 1) < probability

    def below(self, high: int) -> int:
        """An integer from 0 to ``high`` - 1."""
        return int(torch.randint(high, (), generator=self.generator))

    def pick(self, items: Sequence[Item]) -> Item:
        return items[self.below(len(items))]

    def weighted(self, cumulative: np.ndarray) -> int:
        """An index by weights, given as their cumulative sums, the last of which is 1."""
        place = np.searchsorted(cumulative, self.number(0, 1), side="right")
        return min(int(place), len(cumulative) - 1)
