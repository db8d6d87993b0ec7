"""Masks kept as run lengths: a few kB each, and read again in a fiftieth of the time of decoding.

Inflating a PNG costs as much as decoding a JPEG frame, for next to no information: a 480p mask of
DAVIS has about 900 runs.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np

from threedcseg.datasets.sequence import Mask, read_mask


@dataclass(frozen=True)
class Runs:
    """The pixels of a mask in reading order as runs of equal values."""

    shape: tuple[int, int]
    starts: np.ndarray  # (R,) int32, ascending from 0
    values: np.ndarray  # (R,) uint8

    @classmethod
    def of(cls, mask: np.ndarray) -> "Runs":
        pixels = mask.reshape(-1)
        changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
        starts = np.concatenate([[0], changes]).astype(np.int32)
        return cls((mask.shape[0], mask.shape[1]), starts, pixels[starts])

    def mask(self) -> np.ndarray:
        lengths = np.diff(self.starts, append=self.shape[0] * self.shape[1])
        return np.repeat(self.values, lengths).reshape(self.shape)

    @property
    def size(self) -> int:
        """Bytes held, the objects' own included."""
        return self.starts.nbytes + self.values.nbytes + 500


@dataclass
class MaskMemory:
    """Reads masks and remembers them, up to ``limit`` bytes in all; beyond, it just reads."""

    limit: int = 256 << 20
    _held: dict[Hashable, Runs] = field(default_factory=dict, repr=False)
    _size: int = 0

    def read(self, key: Hashable, mask: Mask) -> np.ndarray:
        """As `read_mask`; ``key`` tells masks apart."""
        if key in self._held:
            return self._held[key].mask()
        pixels = read_mask(mask)
        runs = Runs.of(pixels)
        if self._size + runs.size <= self.limit:
            self._held[key] = runs
            self._size += runs.size
        return pixels
