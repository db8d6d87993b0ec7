"""A video file in, a folder of masks out: the path that `3dcseg segment` walks."""

import platform
from collections.abc import Callable, Iterator
from contextlib import ExitStack
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
    with ExitStack() as stack:
        source = stack.enter_context(open_video(path))
        _check_apart(source.path, folder)
        start_run(folder)
        sinks = [stack.enter_context(sink) for sink in _sinks(write, folder, source)]
        num_frames = 0
        for frame, probabilities in segment_source(source, network, settings):
            mask = probabilities > settings.threshold
            for sink in sinks:
                if isinstance(sink, OverlayWriter):
                    sink.write(frame, mask)
                elif isinstance(sink, MaskWriter):
                    sink.write(frame.name, mask)
                else:
                    sink.write(frame.name, probabilities)
            num_frames += 1
            if on_frame is not None:
                on_frame(source)
    write_record(
        folder,
        {
            "source": str(path),
            "num_frames": num_frames,
            "size": [source.width, source.height],
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


def _sinks(
    write: tuple[Product, ...], folder: Path, source: FrameSource
) -> Iterator[MaskWriter | ProbabilityWriter | OverlayWriter]:
    if "masks" in write:
        yield MaskWriter(folder)
    if "probabilities" in write:
        yield ProbabilityWriter(folder / "probabilities")
    if "overlay" in write:
        yield OverlayWriter(folder / "overlay.mp4", source)


def _check_apart(source: Path, folder: Path) -> None:
    """Never write among the frames that are read."""
    if source.is_dir() and folder.resolve() == source.resolve():
        raise InputError(
            f"{folder}: the masks would go among the frames they are made from; give another "
            "output folder"
        )
