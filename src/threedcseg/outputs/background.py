"""What stands behind a cut-out: a colour, an image, or a video."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from PIL import ImageColor

from threedcseg.errors import InputError
from threedcseg.video.frame import Frame, FrameSource
from threedcseg.video.images import read_image
from threedcseg.video.kinds import kind_of
from threedcseg.video.reader import open_video

GREEN = "#00b140"  # chroma-key green


class Background(Protocol):
    """What stands behind the object."""

    def at(self, time: Fraction) -> np.ndarray:
        """The picture at ``time`` seconds, ``(H, W, 3)`` uint8 RGB; times grow."""
        ...


def check_background(text: str) -> None:
    """Raise `InputError` unless ``text`` is a colour or names something that exists."""
    if _color(text) is None and not (text and Path(text).exists()):
        raise InputError(
            f"background {text!r} is neither a colour nor a file",
            "give a colour such as green or #00b140, an image or a video",
        )


@contextmanager
def open_background(text: str, height: int, width: int) -> Iterator[Background]:
    """A colour (a name or ``#rrggbb``), an image, or a video or folder of frames.

    Images and videos are scaled to cover ``height`` x ``width`` and cropped evenly. A video shows
    the frame of the same time, and begins again at its end.
    """
    check_background(text)
    color = _color(text)
    if color is not None:
        yield _Still(np.full((height, width, 3), color, np.uint8))
    elif not Path(text).is_dir() and kind_of(Path(text)) == "image":
        yield _Still(cover(read_image(text), height, width))
    else:
        with open_video(text) as video:
            yield _Moving(video, height, width)


def cover(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale an image to cover a size, its shape kept, and crop what is over on both sides."""
    rows, columns = image.shape[:2]
    scale = max(height / rows, width / columns)
    tall, wide = max(height, round(rows * scale)), max(width, round(columns * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(image, (wide, tall), interpolation=method)
    top, left = (tall - height) // 2, (wide - width) // 2
    return np.ascontiguousarray(scaled[top : top + height, left : left + width])


class _Still:
    def __init__(self, image: np.ndarray) -> None:
        self._image = image

    def at(self, time: Fraction) -> np.ndarray:
        return self._image


class _Moving:
    """A video once through, or round and round; read one frame ahead."""

    def __init__(self, video: FrameSource, height: int, width: int) -> None:
        self._video, self._size = video, (height, width)
        self._round = Fraction(0)  # when the video last began
        self._begin()
        self._only = self._next is None

    def _begin(self) -> None:
        self._frames = iter(self._video)
        self._shown: Frame = next(self._frames)
        self._first = self._shown.time
        self._next = next(self._frames, None)
        self._image: np.ndarray | None = None

    def at(self, time: Fraction) -> np.ndarray:
        while not self._only and (due := self._due()) <= time:
            if self._next is None:
                length = due - self._round
                self._round += (time - self._round) // length * length
                self._begin()
            else:
                self._shown, self._next = self._next, next(self._frames, None)
                self._image = None
        if self._image is None:
            self._image = cover(self._shown.image, *self._size)
        return self._image

    def _due(self) -> Fraction:
        """When the picture after the one shown is due."""
        if self._next is not None:
            return self._round + self._next.time - self._first
        return self._round + self._shown.time - self._first + 1 / self._video.rate


def _color(text: str) -> tuple[int, ...] | None:
    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError:
        return None
