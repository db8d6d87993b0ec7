"""One frame of a video, what gives frames, and how their colour is coded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from av.video.reformatter import Colorspace

from threedcseg.video.damage import Damage
from threedcseg.video.part import Extent

UNSPECIFIED_COLOR = 2  # ITU-T H.273, for matrix, primaries and transfer alike
SMPTE170M = 6  # the matrix of BT.601 by its second number


@dataclass(frozen=True)
class Color:
    """How the source codes colour, so that what is written from it can be coded alike.

    ``primaries``, ``transfer`` and ``matrix`` are code points of ITU-T H.273, the first two 2 where
    the file does not say; ``matrix`` is the one its YUV was read with, or BT.709 for RGB.
    ``hdr``: mastering display and content light as x265 takes them (`video.hdr`), or nothing.
    """

    primaries: int = UNSPECIFIED_COLOR
    transfer: int = UNSPECIFIED_COLOR
    matrix: int = int(Colorspace.ITU709)
    full_range: bool = False
    hdr: str = ""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame.

    Attributes:
        index: 0, 1, 2, ..., counted in the whole recording; frames that were lost or dropped are
            counted, too, if that is known.
        image: ``(H, W, 3)`` uint8 RGB, upright.
        name: five-digit index for videos, the file's stem for folders; names the output files.
        time: presentation time in seconds, exact, from the ``start`` of the source; grows strictly.
        deep: of sources with more than 8 bits, gives the same as ``(H, W, 3)`` uint16.
    """

    index: int
    image: np.ndarray
    name: str
    time: Fraction
    deep: Callable[[], np.ndarray] | None = None


class FrameSource(Protocol):
    """What `VideoReader` and `FolderReader` have in common.

    Iterating gives the frames from the first one on, each time anew; one frame is held at a time.

    Attributes:
        path: as given.
        address: what FFmpeg opens for its other tracks; None where there are none.
        height, width: of every frame, upright, in pixels.
        rate: average number of frames per second, exact.
        num_frames: an estimate to show progress with; None if unknown.
        time_base: seconds; the clock in whose ticks the frames' times are counted.
        start: seconds; the file's own time that is 0 here (that of its first frame or sound).
        pixel_aspect: width over height of one pixel.
        color: how colour is coded.
        depth: bits of each colour.
        num_bytes: size of the file, or of the part that is read; None where there is none.
        damage: what was lost so far in the iteration that runs, or ran last.
        extent: the part of the recording that is read.
    """

    path: Path
    address: str | None
    height: int
    width: int
    rate: Fraction
    num_frames: int | None
    time_base: Fraction
    start: Fraction
    pixel_aspect: Fraction
    color: Color
    depth: int
    num_bytes: int | None
    damage: Damage
    extent: Extent

    def __iter__(self) -> Iterator[Frame]: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
