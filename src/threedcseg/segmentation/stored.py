"""Segmented frames on disk, for when what is written of the first depends on the last."""

import zlib
from collections.abc import Iterable, Iterator
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

    def add(self, result: SegmentedFrame, begins_shot: bool) -> None:
        """The next frame; its picture is not kept."""
        numbers = number_map(result.objects, *result.mask.shape)
        numbers[result.mask & (numbers == 0)] = _SPECK
        both = to_levels(result.probabilities), numbers
        parts = [zlib.compress(each.tobytes(), 1) for each in both]
        self._file.write(_HEAD.pack(*map(len, parts), begins_shot))
        self._file.writelines(parts)

    def frames(self, source: Iterable[Frame]) -> Iterator[tuple[SegmentedFrame, bool]]:
        """All of them again, with the pictures of ``source``, which are read anew."""
        self._file.seek(0)
        for frame in source:
            head = self._file.read(_HEAD.size)
            if not head:
                return
            *sizes, begins_shot = _HEAD.unpack(head)
            shape = frame.image.shape[:2]
            parts = [zlib.decompress(self._file.read(size)) for size in sizes]
            levels, numbers = (
                np.frombuffer(part, kind).reshape(shape)
                for part, kind in zip(parts, (np.uint8, np.int32), strict=True)
            )
            probabilities = levels / np.float32(255)
            objects = objects_of(numbers)
            yield SegmentedFrame(frame, probabilities, numbers != 0, objects), begins_shot
