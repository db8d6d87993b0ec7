"""Animated WebP, by Pillow: FFmpeg does not read it."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image, ImageSequence

from threedcseg.errors import InputError
from threedcseg.video.damage import Damage
from threedcseg.video.frame import Color, Frame
from threedcseg.video.part import WHOLE, Extent, Part, nothing_there, tell_if_beyond
from threedcseg.video.size import MAX_PIXELS, open_image
from threedcseg.video.structure import flaw_of


class AnimationReader:
    """The frames of an animated image as a `FrameSource`, each shown for its own time."""

    address: str | None = None
    start = Fraction(0)
    time_base = Fraction(1, 1000)
    pixel_aspect = Fraction(1)
    color = Color()
    depth = 8

    def __init__(
        self, path: str | Path, part: Part | None = None, max_pixels: int = MAX_PIXELS
    ) -> None:
        self.path, self._max_pixels = Path(path), max_pixels
        self.num_bytes: int | None = self.path.stat().st_size
        self.damage = Damage()  # else it cannot be opened
        if flaw := flaw_of(self.path):
            raise self._unreadable(flaw)
        milliseconds, count = 0, 0
        for image in self._images():
            self.width, self.height = image.size
            milliseconds += image.info.get("duration", 0)
            count += 1
        self.num_frames: int | None = count
        self.rate = Fraction(1000 * count, milliseconds) if milliseconds else Fraction(25)
        self.extent = WHOLE
        self._from: Fraction = Fraction(0)
        self._to: Fraction | None = None
        if part is not None:
            self._enter(part, count / self.rate)

    def _enter(self, part: Part, length: Fraction) -> None:
        """From now on only ``part`` is read, though all is decoded: these files are small."""
        start, end = part.bounds(self.rate, None, str(self.path))
        half = 1 / (2 * self.rate)
        self._from, self._to = start - half, None if end is None else end - half
        found = [(frame.index, frame.time) for frame in self]
        if not found:
            raise nothing_there(part, str(self.path), length)
        tell_if_beyond(end, str(self.path), length)
        first, before = found[0]
        self.extent = Extent(first, before, None if end is None else end - before)
        self.num_frames = len(found)

    def __iter__(self) -> Iterator[Frame]:
        time = Fraction(0)
        for index, image in enumerate(self._images()):
            if self._to is not None and time >= self._to:
                return
            if time >= self._from:
                picture = np.array(image.convert("RGB"))
                yield Frame(index, picture, f"{index:05d}", time - self.extent.before)
            shown = Fraction(image.info.get("duration", 0), 1000)
            time += shown or 1 / self.rate

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def _images(self) -> Iterator[Image.Image]:
        try:
            with open_image(self.path, self._max_pixels) as image:
                for frame in ImageSequence.Iterator(image):
                    frame.load()
                    yield frame
        except InputError:
            raise
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise self._unreadable(error) from None

    def _unreadable(self, reason: object) -> InputError:
        return InputError(
            f"{self.path} cannot be read as an animated image ({reason})",
            "get it again, or convert it to a video",
        )
