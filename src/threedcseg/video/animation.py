"""Animated WebP, by Pillow: FFmpeg does not read it."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image, ImageSequence

from threedcseg.errors import InputError
from threedcseg.video.frame import Color, Frame


class AnimationReader:
    """The frames of an animated image as a `FrameSource`, each shown for its own time."""

    address: str | None = None
    has_audio = False
    start = Fraction(0)
    time_base = Fraction(1, 1000)
    pixel_aspect = Fraction(1)
    color = Color()
    depth = 8

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.num_bytes: int | None = self.path.stat().st_size
        milliseconds, count = 0, 0
        for image in self._images():
            self.width, self.height = image.size
            milliseconds += image.info.get("duration", 0)
            count += 1
        self.num_frames: int | None = count
        self.rate = Fraction(1000 * count, milliseconds) if milliseconds else Fraction(25)

    def __iter__(self) -> Iterator[Frame]:
        time = Fraction(0)
        for index, image in enumerate(self._images()):
            yield Frame(index, np.array(image.convert("RGB")), f"{index:05d}", time)
            shown = Fraction(image.info.get("duration", 0), 1000)
            time += shown or 1 / self.rate

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def _images(self) -> Iterator[Image.Image]:
        try:
            with Image.open(self.path) as image:
                for frame in ImageSequence.Iterator(image):
                    frame.load()
                    yield frame
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise InputError(
                f"{self.path} cannot be read as an animated image ({error})",
                "get it again, or convert it to a video",
            ) from None
