"""Segmented frames on disk, for when what is written of the first depends on the last."""

import zlib
from collections.abc import Iterable, Iterator
from os import SEEK_END
from struct import Struct
from typing import BinaryIO

import numpy as np

from threedcseg.outputs.formats import SegmentedFrame
from threedcseg.outputs.regions import number_map, objects_of
from threedcseg.video.frame import Frame
from threedcseg.video.writer import to_levels

_SPECK = -1  # a pixel of the mask that is of no object
_HEAD = Struct("<II?")  # bytes of either part, whether a shot begins


class StoredFrames:
    """What was found in each frame, compressed in an open file; in memory is one frame.

    Probabilities are kept in 256 levels, as many as any output shows.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @property
    def end(self) -> int:
        """Where the next frame will begin in the file."""
        return self._file.seek(0, SEEK_END)

    def add(self, result: SegmentedFrame, begins_shot: bool) -> None:
        """The next frame; its picture is not kept."""
        numbers = number_map(result.objects, *result.mask.shape)
        numbers[result.mask & (numbers == 0)] = _SPECK
        both = to_levels(result.probabilities), numbers
        parts = [zlib.compress(each.tobytes(), 1) for each in both]
        self._file.write(_HEAD.pack(*map(len, parts), begins_shot))
        self._file.writelines(parts)

    def frames(self, source: Iterable[Frame]) -> Iterator[tuple[SegmentedFrame, bool]]:
        """All of them again, with the pictures of ``source``, which are read anew, and whether each
        begins a shot."""
        offset = 0
        for frame in source:
            self._file.seek(offset)
            head = self._file.read(_HEAD.size)
            if not head:
                return
            *sizes, begins_shot = _HEAD.unpack(head)
            yield self.at(offset, frame), begins_shot
            offset += _HEAD.size + sum(sizes)

    def at(self, offset: int, frame: Frame) -> SegmentedFrame:
        """The one that begins there, with the picture of ``frame``."""
        self._file.seek(offset)
        *sizes, _ = _HEAD.unpack(self._file.read(_HEAD.size))
        shape = frame.image.shape[:2]
        parts = [zlib.decompress(self._file.read(size)) for size in sizes]
        levels, numbers = (
            np.frombuffer(part, kind).reshape(shape)
            for part, kind in zip(parts, (np.uint8, np.int32), strict=True)
        )
        return SegmentedFrame(frame, levels / np.float32(255), numbers != 0, objects_of(numbers))
