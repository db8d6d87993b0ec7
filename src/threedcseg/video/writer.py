"""Results to files: masks, probability maps, the overlay video. Every file appears whole."""

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from threedcseg.errors import InputError
from threedcseg.video.atomic import replacing
from threedcseg.video.audio import AudioTrack
from threedcseg.video.encoder import H264Encoder
from threedcseg.video.overlay import COLOR, OPACITY, overlay
from threedcseg.video.reader import Frame, FrameSource


class _PngFolder:
    """A folder of single-channel 8-bit PNG files; made, with its parents, on entering."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def __enter__(self) -> Self:
        _make_folder(self.folder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def _write(self, name: str, image: np.ndarray) -> None:
        # OpenCV's own setting (run lengths, level 1) is the fastest and nearly the smallest here.
        _, png = cv2.imencode(".png", image)
        with replacing(self.folder / f"{name}.png") as temporary:
            temporary.write_bytes(png.tobytes())


class MaskWriter(_PngFolder):
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
        self._write(name, np.where(mask, np.uint8(255), np.uint8(0)))


class ProbabilityWriter(_PngFolder):
    """Probabilities as PNG, mode L: round(255 p)."""

    def write(self, name: str, probabilities: np.ndarray) -> None:
        """Write ``name``.png from ``(H, W)`` float32 in [0, 1]."""
        if probabilities.ndim != 2 or probabilities.dtype.kind != "f":
            raise ValueError(
                f"expected (H, W) floats, got {probabilities.shape} {probabilities.dtype}"
            )
        self._write(name, (np.clip(probabilities, 0, 1) * 255 + 0.5).astype(np.uint8))


class OverlayWriter:
    """The video with the object tinted and outlined: H.264 in MP4, sound and timing kept.

    Each frame is shown at the time it has in the source (also at a variable rate); the sound is
    copied without encoding it anew where MP4 can hold it. The file appears under its name when the
    block ends without an exception; otherwise nothing is left behind.

    Args:
        path: ends in ``.mp4``; missing folders are made.
        source: the open video or folder whose frames will be written.
        color: of the object, RGB.
        opacity: of the tint, 0 to 1.

    Raises:
        InputError: ``path`` is the source itself, a folder, not an ``.mp4``, or cannot be written.

    >>> with open_video("dog.mp4") as video, OverlayWriter("out.mp4", video) as writer:
    ...     for frame in video:  # doctest: +SKIP
    ...         writer.write(frame, segment(frame.image))
    """

    def __init__(
        self,
        path: str | Path,
        source: FrameSource,
        *,
        color: tuple[int, int, int] = COLOR,
        opacity: float = OPACITY,
    ) -> None:
        self.path = Path(path)
        self._source = source
        self._color, self._opacity = color, opacity
        self._audio: AudioTrack | None = None
        self._stack = ExitStack()
        self._empty = True
        if self.path.is_dir():
            raise InputError(f"{self.path} is a folder, expected the name of a new .mp4 file")
        if self.path.suffix.lower() != ".mp4":
            raise InputError(f"overlay {self.path} is not an .mp4: name it {self.path.stem}.mp4")
        if self.path.exists() and self.path.samefile(source.path):
            raise InputError(f"overlay {self.path} is the input itself: give another name")

    def __enter__(self) -> Self:
        _make_folder(self.path.parent)
        with ExitStack() as stack:
            temporary = stack.enter_context(replacing(self.path))
            try:
                self._encoder = H264Encoder(temporary, self._source)
            except OSError as error:
                raise InputError(
                    f"{self.path} cannot be written ({error.strerror}): give another place"
                ) from None
            stack.enter_context(self._encoder.container)
            if self._source.has_audio:
                container, start = self._encoder.container, self._source.start
                self._audio = AudioTrack(self._source.path, container, start)
                stack.callback(self._audio.close)
            stack.push(self._finish)
            self._stack = stack.pop_all()
        return self

    def write(self, frame: Frame, mask: np.ndarray) -> None:
        """Add a frame with its ``(H, W)`` bool mask; frames come in order."""
        self._encoder.write(overlay(frame.image, mask, self._color, self._opacity), frame.time)
        if self._audio is not None:
            self._audio.write_until(frame.time)
        self._empty = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        """Complete the streams, unless the block failed."""
        if kind is not None:
            return
        if self._empty:
            raise ValueError("no frame was written")
        self._encoder.finish()
        if self._audio is not None:
            self._audio.write_until()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{folder} is a file, expected a folder: give another name") from None
    except OSError as error:
        raise InputError(
            f"{folder} cannot be made ({error.strerror}): give another place"
        ) from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} may not be written to: give another place")
