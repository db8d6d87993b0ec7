"""What a training step is fed with."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from torch import Tensor


class Batch(NamedTuple):
    """A process's share of the clips of one step.

    ``frames (B, 3, T + 2 context, H, W)`` and ``masks (B, 1, T, H, W)`` are uint8, masks {0, 255}
    and `VOID` where the ground truth leaves a pixel open, on any device. ``sources``: for each
    clip, the files that it was made from.
    """

    frames: Tensor
    masks: Tensor
    sources: tuple[tuple[str, ...], ...]

    @property
    def context(self) -> int:
        """Frames before those that have masks, and as many after them."""
        return (self.frames.shape[2] - self.masks.shape[2]) // 2


class Batches(Protocol):
    """Where the batches of a run come from; `fit` asks once for each stage, before the first step.

    What cannot be used raises `InputError` at once; clips are made when the iterator is advanced.
    """

    def __call__(self, stage: int, done: int) -> Iterator[Batch]:
        """The batches of a stage, by its number, but for the first ``done``."""
        ...
