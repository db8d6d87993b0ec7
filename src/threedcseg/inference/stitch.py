"""Average the probabilities of overlapping windows, frame by frame, as the video goes by."""

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

from threedcseg.inference.resizing import PictureT

FrameT = TypeVar("FrameT")


class Stitcher(Generic[FrameT, PictureT]):
    """Running sum and count per frame; a frame leaves once nothing more is to be added to it.

    ``add`` takes a window's probabilities, ``finish(end)`` yields and forgets the frames before
    ``end``. Every copy of a frame that a window repeats counts in the average, as in the published
    code; what a window says of frames that have left is ignored.
    """

    def __init__(self) -> None:
        self._frames: dict[int, FrameT] = {}
        self._sums: dict[int, Any] = {}
        self._counts: dict[int, int] = {}
        self._next = 0

    def add(self, window: Sequence[int], clip: Sequence[FrameT], probabilities: PictureT) -> None:
        """``window``: indices of the frames in ``clip``; ``probabilities``: ``(T, h, w)`` float32,
        one per slot."""
        for index, frame, probability in zip(window, clip, probabilities, strict=True):
            if index < self._next:
                continue
            self._frames[index] = frame
            self._sums[index] = self._sums.get(index, 0) + probability  # an array of its own
            self._counts[index] = self._counts.get(index, 0) + 1

    def finish(self, end: int | None = None) -> Iterator[tuple[FrameT, PictureT]]:
        """Yield ``(frame, mean (h, w) float32)`` of the frames before ``end`` (default: all)."""
        while self._next in self._sums and (end is None or self._next < end):
            index = self._next
            self._next += 1
            yield self._frames.pop(index), self._sums.pop(index) / self._counts.pop(index)
