"""What stands behind a cut-out: a colour, an image, a video, or the frame, blurred or gray."""

import logging
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

_log = logging.getLogger(__name__)

GREEN = "#00b140"  # chroma-key green
OF_FRAME = ("blur", "gray")
"""What is made of the frame itself; in this they come before colours and files of that name."""
_BLUR = 1 / 40  # of the shorter side: the blur's standard deviation
_BLURRED_AT = 120  # pixels of the shorter side, at which it is made


class Background(Protocol):
    """What stands behind the object."""

    def behind(self, picture: np.ndarray, alpha: np.ndarray, time: Fraction) -> np.ndarray:
        """``(H, W, 3)`` RGB for a frame's ``picture``, of its type or uint8; times grow.

        ``alpha``: ``(H, W)`` uint8. ``time``: of the frame, in seconds.
        """
        ...


def check_background(text: str) -> None:
    """Raise `InputError` unless ``text`` is a colour or names something that exists."""
    there = text and (Path(text).is_file() or Path(text).is_dir())  # no pipe, which might not end
    if text not in OF_FRAME and _color(text) is None and not there:
        raise InputError(
            f"background {text!r} is neither a colour nor a file",
            "give a colour such as green or #00b140, an image, a video, blur or gray",
        )


@contextmanager
def open_background(text: str, height: int, width: int) -> Iterator[Background]:
    """A colour (a name or ``#rrggbb``), an image, a video or folder of frames, or `OF_FRAME`.

    Images and videos are scaled to cover ``height`` x ``width`` and cropped evenly. A video shows
    the frame of the same time, and begins again at its end.
    """
    check_background(text)
    color = _color(text)
    if text in OF_FRAME:
        yield _Blurred() if text == "blur" else _Gray()
    elif color is not None:
        yield _Still(np.full((height, width, 3), color, np.uint8))
    elif not Path(text).is_dir() and kind_of(Path(text)) == "image":
        yield _Still(cover(read_image(text), height, width))
    else:
        with open_video(text) as video:
            yield _Moving(video, height, width)
            if video.damage:
                _log.warning("%s, the background: %s", text, video.damage)


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

    def behind(self, picture: np.ndarray, alpha: np.ndarray, time: Fraction) -> np.ndarray:
        return self._image


class _Gray:
    def behind(self, picture: np.ndarray, alpha: np.ndarray, time: Fraction) -> np.ndarray:
        return cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


class _Blurred:
    """The frame's surroundings out of focus, without the object, which would shine around itself.

    Each pixel is a mean of what is around it, weighed by how much it is *not* the object; made
    small, for which a blurred picture has no use for its pixels.
    """

    def behind(self, picture: np.ndarray, alpha: np.ndarray, time: Fraction) -> np.ndarray:
        height, width = alpha.shape
        scale = min(1.0, _BLURRED_AT / min(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        # The edge is never quite where the alpha has it: a little more is left out.
        kept = cv2.resize(255 - alpha, size, interpolation=cv2.INTER_AREA)
        kept = cv2.erode(kept, np.ones((3, 3))).astype(np.float32)
        weight = kept / 255 + 1e-3  # a frame full of object is blurred whole
        sigma = max(1.0, _BLUR * min(size))
        weighed = cv2.GaussianBlur(small * weight[..., None], (0, 0), sigma)
        blurred = weighed / cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
        blurred = np.rint(blurred).astype(picture.dtype)
        return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_CUBIC)


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

    def behind(self, picture: np.ndarray, alpha: np.ndarray, time: Fraction) -> np.ndarray:
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
