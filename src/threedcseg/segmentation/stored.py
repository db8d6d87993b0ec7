"""Segmented frames on disk, for when what is written of the first depends on the last."""

import zlib
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import BinaryIO

import numpy as np

from threedcseg.outputs.formats import SegmentedFrame
from threedcseg.outputs.tracking import number_map, objects_of
from threedcseg.video.frame import Frame
from threedcseg.video.writer import to_levels

_SPECK = -1  # a pixel of the mask that is of no object
_SIZE = Struct("<II")


class StoredFrames:
    """What was found in each frame, compressed in an open file; in memory is one frame.

    Probabilities are kept in 256 levels, as many as any output shows.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, result: SegmentedFrame) -> None:
        """The next frame; its picture is not kept."""
        numbers = number_map(result.objects, *result.mask.shape)
        numbers[result.mask & (numbers == 0)] = _SPECK
        both = to_levels(result.probabilities), numbers
        parts = [zlib.compress(each.tobytes(), 1) for each in both]
        self._file.write(_SIZE.pack(*map(len, parts)))
        self._file.writelines(parts)

    def frames(self, source: Iterable[Frame]) -> Iterator[SegmentedFrame]:
        """All of them again, with the pictures of ``source``, which are read anew."""
        self._file.seek(0)
        for frame in source:
            sizes = self._file.read(_SIZE.size)
            if not sizes:
                return
            shape = frame.image.shape[:2]
            parts = [zlib.decompress(self._file.read(size)) for size in _SIZE.unpack(sizes)]
            levels, numbers = (
                np.frombuffer(part, kind).reshape(shape)
                for part, kind in zip(parts, (np.uint8, np.int32), strict=True)
            )
            probabilities = levels / np.float32(255)
            yield SegmentedFrame(frame, probabilities, numbers != 0, objects_of(numbers))
