"""Results to files: masks and probability maps, videos. Every file appears whole."""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import cv2
import numpy as np

from threedcseg.atomic import replacing
from threedcseg.errors import InputError
from threedcseg.video.encoder import H264, VideoEncoder, VideoFormat
from threedcseg.video.frame import FrameSource
from threedcseg.video.tracks import Tracks

_log = logging.getLogger(__name__)

ALPHA_FORMATS = "write a .mov (ProRes 4444, for editors) or a .webm (VP9, for browsers)"


class PngFolder:
    """A folder of PNG files; made, with its parents, on entering."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def __enter__(self) -> Self:
        _make_folder(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def _write(self, name: str, png: bytes) -> None:
        with replacing(self.folder / f"{name}.png") as temporary:
            temporary.write_bytes(png)


class MaskWriter(PngFolder):
    """Masks as lossless PNG, mode L, 0 and 255.

    >>> with MaskWriter("out/dog") as writer:  # doctest: +SKIP
    ...     writer.write("00000", mask)
    """

    def write(self, name: str, mask: np.ndarray) -> None:
        """Write ``name``.png from ``(H, W)`` bool, or uint8 where anything but 0 is object."""
        if mask.ndim != 2 or mask.dtype not in (np.bool_, np.uint8):
            raise ValueError(
                f"expected an (H, W) bool or uint8 mask, got {mask.shape} {mask.dtype}"
            )
        self._write(name, _gray_png(np.where(mask, np.uint8(255), np.uint8(0))))


class ProbabilityWriter(PngFolder):
    """Probabilities as PNG, mode L: round(255 p)."""

    def write(self, name: str, probabilities: np.ndarray) -> None:
        """Write ``name``.png from ``(H, W)`` float32 in [0, 1]."""
        if probabilities.ndim != 2 or probabilities.dtype.kind != "f":
            raise ValueError(
                f"expected (H, W) floats, got {probabilities.shape} {probabilities.dtype}"
            )
        self._write(name, _gray_png(to_levels(probabilities)))


class RgbaWriter(PngFolder):
    """Pictures with straight alpha as PNG, mode RGBA, 8 or 16 bits."""

    def write(self, name: str, rgba: np.ndarray) -> None:
        """Write ``name``.png from ``(H, W, 4)`` uint8 or uint16."""
        png = cv2.imencode(".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))[1]
        self._write(name, png.tobytes())


def to_levels(probabilities: np.ndarray) -> np.ndarray:
    """Floats in [0, 1] to uint8: round(255 p)."""
    return (np.clip(probabilities, 0, 1) * 255 + 0.5).astype(np.uint8)


class VideoWriter:
    """A video made of another one's frames: same size, timing, sound and other tracks.

    Each picture is shown at the time its frame has in the source (also at a variable rate); the
    sound is copied without encoding it anew where the container can hold it. The file appears under
    its name when the block ends without an exception; otherwise nothing is left behind.

    Args:
        path: ends in the format's suffix; missing folders are made.
        source: the open video or folder whose frames the pictures are made from.
        format: container and codec, with alpha or without.

    Raises:
        InputError: ``path`` is the source itself, a folder, has another suffix (alpha in an
            ``.mp4``, say), or cannot be written.

    >>> with open_video("dog.mp4") as video, VideoWriter("out.mp4", video) as writer:
    ...     for frame in video:  # doctest: +SKIP
    ...         writer.write(overlay(frame.image, segment(frame.image)), frame.time)
    """

    def __init__(self, path: str | Path, source: FrameSource, format: VideoFormat = H264) -> None:
        self.path = Path(path)
        self._source = source
        self._format = format.for_source(source)
        # A matte, which is plain H.264, shows no colours.
        self._loses_hdr = bool(source.color.hdr) and not self._format.keeps_hdr and format != H264
        self._tracks: Tracks | None = None
        self._stack = ExitStack()
        self._empty = True
        suffix = format.suffix
        if self.path.is_dir():
            raise InputError(
                f"{self.path} is a folder, expected a new {suffix} file", "give another name"
            )
        if format.alpha and self.path.suffix.lower() == ".mp4":
            raise InputError(f"{self.path}: MP4 holds no alpha", ALPHA_FORMATS)
        if self.path.suffix.lower() != suffix:
            raise InputError(f"{self.path} is not a {suffix}", f"name it {self.path.stem}{suffix}")
        if self.path.exists() and source.path.exists() and self.path.samefile(source.path):
            raise InputError(f"{self.path} is the input itself", "give another name")

    def __enter__(self) -> Self:
        _make_folder(self.path.parent)
        with self._refusals(), ExitStack() as stack:
            temporary = stack.enter_context(replacing(self.path))
            try:
                self._encoder = VideoEncoder(temporary, self._source, self._format)
            except OSError as error:
                raise InputError(
                    f"{self.path} cannot be written ({error.strerror})", "give another place"
                ) from None
            stack.enter_context(self._encoder.container)
            if self._source.address is not None:
                self._tracks = Tracks(
                    self._source.address,
                    self._encoder.container,
                    self._encoder.stream,
                    self._source.start,
                    self._format.tracks,
                    self._source.extent,
                )
                stack.callback(self._tracks.close)
            stack.push(self._finish)
            self._stack = stack.pop_all()
        if self._loses_hdr:
            lost = "what it says of its HDR display and brightest light is left out"
            _log.warning("%s, in %s: %s", self._source.path, self.path.name, lost)
        return self

    def write(self, image: np.ndarray, time: Fraction) -> None:
        """Add a picture at ``time`` seconds; times grow.

        ``image``: uint8 or uint16, ``(H, W)`` gray, ``(H, W, 3)`` RGB, or RGBA where the format has
        alpha.
        """
        if image.ndim == 2:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
        with self._refusals():
            self._encoder.write(image, time)
            if self._tracks is not None:
                self._tracks.write_until(time)
        self._empty = False

    def __exit__(self, *exception: Any) -> None:
        with self._refusals():
            self._stack.__exit__(*exception)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """What an encoder or a container refuses is an `InputError`: they code any picture, but not
        any clock."""
        try:
            yield
        except (av.FFmpegError, OverflowError) as error:
            if isinstance(error, OSError):  # a full disk, say
                raise
            source = self._source
            raise InputError(
                f"{self.path} cannot be coded ({error}): {source.path} has "
                f"{float(source.rate):g} frames a second, at times counted in ticks of "
                f"{float(source.time_base):g} s",
                "convert it to a usual rate, or write masks only",
            ) from None

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        """Complete the streams, unless the block failed."""
        if kind is not None:
            return
        if self._empty:
            raise ValueError("no frame was written")
        self._encoder.finish()
        if self._tracks is not None:
            self._tracks.write_until()


def _gray_png(image: np.ndarray) -> bytes:
    # OpenCV's own setting (run lengths, level 1) is the fastest and nearly the smallest here.
    return cv2.imencode(".png", image)[1].tobytes()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{folder} is a file, expected a folder", "give another name") from None
    except OSError as error:
        raise InputError(
            f"{folder} cannot be made ({error.strerror})", "give another place"
        ) from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} may not be written to", "give another place")
