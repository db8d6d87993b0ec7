"""Pipes: frames from standard input, and masks to another program."""

import os
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, Literal

import av
import numpy as np
from av.container import InputContainer

from threedcseg.errors import InputError
from threedcseg.video.opening import open_input

_Y4M = b"YUV4MPEG2"


@dataclass(frozen=True)
class RawFormat:
    """What raw frames do not say of themselves; ``pixel_format`` is a name of FFmpeg's."""

    width: int
    height: int
    pixel_format: str = "rgb24"
    rate: Fraction = Fraction(25)

    @classmethod
    def parse(cls, size: str, pixel_format: str = "rgb24", rate: str = "25") -> "RawFormat":
        """``size`` as ``WIDTHxHEIGHT``; `InputError` for values that mean nothing."""
        match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", size)
        if match is None:
            raise InputError(f"size {size!r} is not WIDTHxHEIGHT in pixels", "give 640x480, say")
        try:
            av.VideoFormat(pixel_format)
        except ValueError:
            raise InputError(
                f"unknown pixel format {pixel_format!r}",
                "give rgb24, bgr24, gray, yuv420p or another name of FFmpeg's",
            ) from None
        return cls(int(match[1]), int(match[2]), pixel_format, parse_rate(rate))


def parse_rate(text: str) -> Fraction:
    """Frames per second, as ``25``, ``23.976`` or ``30000/1001``; `InputError` for others."""
    try:
        rate = Fraction(text)
        if rate <= 0:
            raise ValueError
        return rate
    except (ValueError, ZeroDivisionError):
        raise InputError(f"rate {text!r} is not frames per second", "give 25, say") from None


def open_pipe(file: BinaryIO | None, raw: RawFormat | None) -> InputContainer:
    """Standard input, or ``file``, as a video: y4m, raw frames, or whatever else FFmpeg knows.

    Raises `InputError` where nothing comes.
    """
    pipe = _Pipe(file)
    head = pipe.peek(len(_Y4M))
    if not head:
        raise InputError("standard input is empty", "pipe y4m or raw frames into it")
    if head == _Y4M:
        return av.open(pipe, "r", format="yuv4mpegpipe")
    if raw is None:
        return open_input(pipe)
    options = {
        "video_size": f"{raw.width}x{raw.height}",
        "pixel_format": raw.pixel_format,
        "framerate": str(raw.rate),
    }
    return av.open(pipe, "r", format="rawvideo", options=options)


class _Pipe:
    """Standard input for PyAV, with a look at its first bytes; not seekable.

    Attributes:
        num_bytes: that came.
    """

    def __init__(self, file: BinaryIO | None) -> None:
        self._number = 0 if file is None else file.fileno()
        self._head = b""
        self.num_bytes = 0

    def peek(self, size: int) -> bytes:
        while len(self._head) < size and (more := self._more(size - len(self._head))):
            self._head += more
        return self._head

    def read(self, size: int) -> bytes:
        if self._head:
            head, self._head = self._head[:size], self._head[size:]
            return head
        return self._more(size)

    def _more(self, size: int) -> bytes:
        data = os.read(self._number, size)
        self.num_bytes += len(data)
        return data


def bytes_behind(container: InputContainer, end: int) -> int:
    """How many came from `open_pipe` behind the byte ``end``, of y4m or raw frames; else 0."""
    framed = container.format.name in ("yuv4mpegpipe", "rawvideo")
    pipe: _Pipe | None = getattr(container.file, "file", None)
    return pipe.num_bytes - end if framed and pipe is not None else 0


PipeFormat = Literal["y4m", "gray"]


class PipeWriter:
    """Masks to another program, frame by frame without delay: y4m (Cmono), or bare gray bytes.

    ``rate`` is what y4m's heading says; raises `BrokenPipeError` once nobody reads.
    """

    def __init__(self, file: BinaryIO, source_rate: Fraction, format: PipeFormat = "y4m") -> None:
        self._file, self._rate, self._format = file, source_rate, format
        self._begun = False

    def write(self, mask: np.ndarray) -> None:
        """``(H, W)`` uint8, 0 and 255."""
        height, width = mask.shape
        if self._format == "y4m":
            if not self._begun:
                rate = f"{self._rate.numerator}:{self._rate.denominator}"
                heading = f"YUV4MPEG2 W{width} H{height} F{rate} Ip A1:1 Cmono XCOLORRANGE=FULL\n"
                self._file.write(heading.encode())
            self._file.write(b"FRAME\n")
        self._begun = True
        self._file.write(np.ascontiguousarray(mask).tobytes())
        self._file.flush()
