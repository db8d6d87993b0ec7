"""A folder of images, or one by itself, as if it were a video."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Self

import numpy as np

from threedcseg.errors import InputError
from threedcseg.video.damage import Damage
from threedcseg.video.frame import Color, Frame
from threedcseg.video.images import read_image
from threedcseg.video.kinds import named
from threedcseg.video.part import WHOLE, Extent, Part, nothing_there, tell_if_beyond
from threedcseg.video.paths import list_files
from threedcseg.video.size import MAX_PIXELS

_log = logging.getLogger(__name__)

FOLDER_RATE = Fraction(24)  # frames per second of a folder, which has no clock: as DAVIS is shown


class FolderReader:
    """The images of a folder as frames, in natural order; sub-folders ignored. Or one image, as a
    video of one frame.

    Files that are no images are left out, and named in a warning.

    Attributes:
        frame_names: of all its frames.
    """

    address: str | None = None
    num_frames: int | None
    start = Fraction(0)
    pixel_aspect = Fraction(1)
    color = Color()
    depth = 8
    num_bytes: int | None = None

    def __init__(
        self,
        path: str | Path,
        rate: Fraction = FOLDER_RATE,
        part: Part | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._max_pixels = max_pixels
        self.path = Path(path)
        alone = not self.path.is_dir()
        files = {"image": [self.path]} if alone else list_files(self.path)
        self._files = files["image"]
        if not self._files:
            found = "videos, not frames" if files.get("video") else "no images"
            raise InputError(
                f"{self.path} holds {found}, expected JPEG, PNG or other images",
                "give a folder of frames, or a video file",
            )
        if left_out := files.get("video", []) + files.get("other", []):
            _log.warning("%s: left out, being no images: %s", self.path, named(left_out))
        names: dict[str, Path] = {}
        for file in self._files:
            other = names.setdefault(file.stem, file)
            if other is not file:
                raise InputError(
                    f"{self.path} holds both {other.name} and {file.name}, whose masks would have "
                    "one name",
                    "keep one of them",
                )
        self.height, self.width = self._image(self._files[0]).shape[:2]
        self.rate = Fraction(rate)
        self.time_base = 1 / self.rate
        self.extent = WHOLE
        if part is not None:
            self._enter(part)
        self.num_frames = len(self._files)
        self.damage = Damage()  # what cannot be read is an error

    @property
    def frame_names(self) -> tuple[str, ...]:
        return tuple(file.stem for file in self._files)

    def _enter(self, part: Part) -> None:
        """From now on only ``part`` is read."""
        start, end = part.bounds(self.rate, None, str(self.path))
        first = self._nearest(start)
        files = self._files[first : None if end is None else self._nearest(end)]
        length = len(self._files) / self.rate
        if not files:
            raise nothing_there(part, str(self.path), length)
        tell_if_beyond(end, str(self.path), length)
        self._files = files
        self.extent = Extent(first, first / self.rate, len(files) / self.rate)

    def _image(self, file: Path) -> np.ndarray:
        return read_image(file, max_pixels=self._max_pixels)

    def _nearest(self, time: Fraction) -> int:
        return ceil(time * self.rate - Fraction(1, 2))

    def __iter__(self) -> Iterator[Frame]:
        for index, file in enumerate(self._files):
            image = self._image(file)
            height, width = image.shape[:2]
            if (height, width) != (self.height, self.width):
                raise InputError(
                    f"{file} is {width}x{height}, but {self._files[0].name} is {self.width}x"
                    f"{self.height}",
                    "frames of one folder must have one size",
                )
            number = self.extent.first + index
            yield Frame(number, np.ascontiguousarray(image), file.stem, index * self.time_base)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None
