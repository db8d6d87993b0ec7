"""Masks kept as run lengths: a few kB each, and had again in a fiftieth of the time of decoding.

Inflating a PNG takes longer than decoding a JPEG frame, for next to no information: a 480p mask of
DAVIS has about 900 runs.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class RunLengths:
    """A uint8 array, in reading order, as runs of equal values."""

    shape: tuple[int, ...]
    starts: np.ndarray  # (R,) int32, ascending from 0
    values: np.ndarray  # (R,) uint8

    @classmethod
    def of(cls, array: np.ndarray) -> "RunLengths":
        flat = array.reshape(-1)
        changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        starts = np.concatenate([[0], changes]).astype(np.int32)
        return cls(array.shape, starts, flat[starts])

    def array(self) -> np.ndarray:
        lengths = np.diff(self.starts, append=np.prod(self.shape, dtype=np.int32))
        return np.repeat(self.values, lengths).reshape(self.shape)

    @property
    def size(self) -> int:
        """Bytes held, the objects' own included."""
        return self.starts.nbytes + self.values.nbytes + 500


@dataclass
class MaskCache:
    """Remembers arrays of long runs, up to ``limit`` bytes in all."""

    limit: int = 256 << 20
    _held: dict[Hashable, RunLengths] = field(default_factory=dict, repr=False)
    _size: int = 0

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """What ``make`` returned the first time, in a copy of its own."""
        if key in self._held:
            return self._held[key].array()
        array = make()
        runs = RunLengths.of(array)
        if self._size + runs.size <= self.limit:
            self._held[key] = runs
            self._size += runs.size
        return array
