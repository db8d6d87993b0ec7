"""One frame of a video, what gives frames, and how their colour is coded."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream

UNSPECIFIED_COLOR = 2  # ITU-T H.273, for matrix, primaries and transfer alike
SMPTE170M = 6  # the matrix of BT.601 by its second number
EXACT = Interpolation.BILINEAR | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
"""FFmpeg's way from YUV to RGB that rounds; its usual one makes pictures a gray level darker."""


@dataclass(frozen=True)
class Color:
    """How the source codes colour, so that what is written from it can be coded alike.

    ``primaries``, ``transfer`` and ``matrix`` are code points of ITU-T H.273, the first two 2 where
    the file does not say; ``matrix`` is the one its YUV was read with, or BT.709 for RGB.
    """

    primaries: int = UNSPECIFIED_COLOR
    transfer: int = UNSPECIFIED_COLOR
    matrix: int = int(Colorspace.ITU709)
    full_range: bool = False


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame.

    Attributes:
        index: 0, 1, 2, ...
        image: ``(H, W, 3)`` uint8 RGB, upright.
        name: five-digit index for videos, the file's stem for folders; names the output files.
        time: presentation time in seconds, exact, from the ``start`` of the source; grows strictly.
    """

    index: int
    image: np.ndarray
    name: str
    time: Fraction


class FrameSource(Protocol):
    """What `VideoReader` and `FolderReader` have in common.

    Iterating gives the frames from the first one on, each time anew; one frame is held at a time.

    Attributes:
        path: as given.
        height, width: of every frame, upright, in pixels.
        rate: average number of frames per second, exact.
        num_frames: an estimate to show progress with; None if unknown.
        has_audio: whether there is a sound track.
        time_base: seconds; the clock in whose ticks the frames' times are counted.
        start: seconds; the file's own time that is 0 here (that of its first frame or sound).
        pixel_aspect: width over height of one pixel.
        color: how colour is coded.
        num_bytes: size of the whole file; None where there is none.
    """

    path: Path
    height: int
    width: int
    rate: Fraction
    num_frames: int | None
    has_audio: bool
    time_base: Fraction
    start: Fraction
    pixel_aspect: Fraction
    color: Color
    num_bytes: int | None

    def __iter__(self) -> Iterator[Frame]: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def color_matrix(frame: VideoFrame) -> int | None:
    """The YUV matrix to assume where the file names none: as players do, BT.709 from HD on."""
    if frame.colorspace != UNSPECIFIED_COLOR or len(frame.format.components) < 3:
        return None
    if frame.format.is_rgb or frame.format.has_palette:
        return None
    return int(Colorspace.ITU709 if min(frame.width, frame.height) >= 720 else Colorspace.ITU601)


def color_of(stream: VideoStream, frame: VideoFrame, assumed_matrix: int | None) -> Color:
    context = stream.codec_context
    primaries, transfer = context.color_primaries, context.color_trc
    if frame.format.is_rgb or frame.format.has_palette:
        return Color(primaries, transfer)
    matrix = assumed_matrix or int(frame.colorspace)
    if matrix not in (*Colorspace, SMPTE170M):  # a rare one, to which FFmpeg does not convert
        matrix = int(Colorspace.ITU709)
    full_range = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    return Color(primaries, transfer, matrix, full_range)
