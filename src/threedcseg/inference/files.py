"""A video file in, a folder of masks out: the path that `3dcseg segment` walks."""

import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from threedcseg.errors import InputError
from threedcseg.inference.predictor import Network, segment
from threedcseg.inference.settings import Settings
from threedcseg.video.reader import Frame, FrameSource, open_video
from threedcseg.video.record import start_run, write_record
from threedcseg.video.writer import MaskWriter, OverlayWriter, ProbabilityWriter

Product = Literal["masks", "probabilities", "overlay"]
Sink = Callable[[Frame, np.ndarray, np.ndarray], None]
"""Takes a frame, its probabilities ``(H, W)`` float32 and its mask ``(H, W)`` bool."""


@dataclass(frozen=True)
class VideoResult:
    """Where the results of one video lie, and how many frames it had."""

    folder: Path
    num_frames: int


def segment_video(
    path: str | Path,
    folder: str | Path,
    network: Network,
    settings: Settings | None = None,
    *,
    write: tuple[Product, ...] = ("masks",),
    provenance: dict[str, Any] | None = None,
    on_frame: Callable[[FrameSource], None] | None = None,
) -> VideoResult:
    """Segment a video file or a folder of frames, frame by frame, in constant memory.

    ``folder`` receives, by what ``write`` names: ``NAME.png`` masks (0 and 255, the source's size
    and frame names), ``probabilities/NAME.png`` (8 bits), ``overlay.mp4``; and at the very end
    ``3dcseg.json``, the completion record with the settings, ``provenance`` and frame count: a
    folder without it is unfinished. ``on_frame`` is called after each written frame.

    Raises `InputError` for input that cannot be read or output that cannot be written.
    """
    settings = settings or Settings()
    folder = Path(folder)
    num_frames = 0
    with open_video(path) as source, ExitStack() as stack:
        _check_apart(source.path, folder)
        start_run(folder)
        sinks = [stack.enter_context(PRODUCTS[product](folder, source)) for product in write]
        for frame, probabilities in segment_source(source, network, settings):
            mask = probabilities > settings.threshold
            for sink in sinks:
                sink(frame, probabilities, mask)
            num_frames += 1
            if on_frame is not None:
                on_frame(source)
        size = [source.width, source.height]
    write_record(
        folder,
        {
            "source": str(path),
            "num_frames": num_frames,
            "size": size,
            "settings": asdict(settings),
            "software": f"threedcseg {version('threedcseg')}, Python {platform.python_version()}",
            **(provenance or {}),
        },
    )
    return VideoResult(folder, num_frames)


def segment_source(
    source: FrameSource, network: Network, settings: Settings
) -> Iterator[tuple[Frame, np.ndarray]]:
    """`segment` for an open video: each frame with its probabilities ``(H, W)`` float32.

    Holds the frames whose probabilities are not final yet, at most two clips of them.
    """
    waiting: dict[int, Frame] = {}

    def images() -> Iterator[np.ndarray]:
        for frame in source:
            waiting[frame.index] = frame
            yield frame.image

    for index, probabilities in segment(images(), network, settings):
        yield waiting.pop(index), probabilities


@contextmanager
def _masks(folder: Path, source: FrameSource) -> Iterator[Sink]:
    with MaskWriter(folder) as writer:
        yield lambda frame, probabilities, mask: writer.write(frame.name, mask)


@contextmanager
def _probabilities(folder: Path, source: FrameSource) -> Iterator[Sink]:
    with ProbabilityWriter(folder / "probabilities") as writer:
        yield lambda frame, probabilities, mask: writer.write(frame.name, probabilities)


@contextmanager
def _overlay(folder: Path, source: FrameSource) -> Iterator[Sink]:
    with OverlayWriter(folder / "overlay.mp4", source) as writer:
        yield lambda frame, probabilities, mask: writer.write(frame, mask)


PRODUCTS: dict[Product, Callable[[Path, FrameSource], AbstractContextManager[Sink]]] = {
    "masks": _masks,
    "probabilities": _probabilities,
    "overlay": _overlay,
}


def _check_apart(source: Path, folder: Path) -> None:
    """Never write among the frames that are read."""
    if source.is_dir() and folder.resolve() == source.resolve():
        raise InputError(
            f"{folder}: the masks would go among the frames they are made from; give another "
            "output folder"
        )
