"""A video file in, a folder of masks out: the path that `3dcseg segment` walks."""

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from threedcseg.errors import InputError
from threedcseg.inference.predictor import Network, Shot, segment_keyed
from threedcseg.inference.settings import Settings
from threedcseg.outputs.formats import (
    OF_OBJECTS,
    PRODUCTS,
    Look,
    SegmentedFrame,
    Sink,
    check_products,
)
from threedcseg.outputs.record import start_run, write_record
from threedcseg.outputs.tracking import ObjectTracker
from threedcseg.video.paths import list_images
from threedcseg.video.reader import Frame, FrameSource, open_video


@dataclass(frozen=True)
class VideoResult:
    """Where the results of one video lie, how many frames it had, and which began a new shot."""

    folder: Path
    num_frames: int
    cuts: tuple[int, ...] = ()


def segment_video(
    path: str | Path,
    folder: str | Path,
    network: Network,
    settings: Settings | None = None,
    *,
    write: Sequence[str] = ("masks",),
    look: Look | None = None,
    provenance: dict[str, Any] | None = None,
    on_frame: Callable[[FrameSource], None] | None = None,
    on_shot: Callable[[Shot], None] | None = None,
    also: Sequence[Sink] = (),
) -> VideoResult:
    """Segment a video file or a folder of frames, frame by frame, in constant memory.

    ``folder`` receives what ``write`` names, any of `products.PRODUCTS`, all in one pass
    (docs/outputs.md): ``NAME.png`` masks (0 and 255, the source's size and frame names),
    ``probabilities/NAME.png`` (8 bits), ``overlay.mp4``, ...; and at the very end ``3dcseg.json``,
    the completion record with the settings, ``provenance``, frame count and cuts: a folder without
    it is unfinished. ``look`` decides on edges and background. ``on_frame`` is called after each
    written frame, ``on_shot`` before the first one of each shot; ``also`` are given the results of
    each frame, besides what is written. ``settings``: by default what the network's file
    recommends.

    Raises `InputError` for input that cannot be read or output that cannot be written.
    """
    folder = Path(folder)
    check_products(write)
    with open_video(path) as source:
        _check_apart(source.path, folder)
        return write_products(
            source,
            folder,
            network,
            settings or Settings.recommended_by(network),
            write=write,
            look=look,
            facts=lambda: {"source": str(path), **(provenance or {})},
            on_frame=on_frame,
            on_shot=on_shot,
            also=also,
        )


def write_products(
    source: FrameSource,
    folder: Path,
    network: Network,
    settings: Settings,
    *,
    write: Sequence[str] = ("masks",),
    look: Look | None = None,
    facts: Callable[[], dict[str, Any]] = dict,
    on_frame: Callable[[FrameSource], None] | None = None,
    on_shot: Callable[[Shot], None] | None = None,
    also: Sequence[Sink] = (),
) -> VideoResult:
    """`segment_video` for an open source, live ones too; ``facts``, asked at the end, go into the
    record."""
    look = look or Look()
    check_products(write)
    look.check()
    num_frames = 0
    shots: list[Shot] = []

    def begin(shot: Shot) -> None:
        shots.append(shot)
        if on_shot is not None:
            on_shot(shot)

    if "cutout" in write:
        _check_apart(Path(look.background), folder)
    tracker = ObjectTracker() if OF_OBJECTS & set(write) else None
    with ExitStack() as stack:
        start_run(folder)
        written = (stack.enter_context(PRODUCTS[name](folder, source, look)) for name in write)
        sinks = [*written, *also]
        for frame, probabilities in segment_source(source, network, settings, begin):
            mask = probabilities > settings.threshold
            new_shot = shots[-1].first == frame.index
            objects = tracker.update(mask, new_shot) if tracker else ()
            result = SegmentedFrame(frame, probabilities, mask, objects)
            for sink in sinks:
                sink(result)
            num_frames += 1
            if on_frame is not None:
                on_frame(source)
        if not num_frames:  # told before the products are closed, so that none appears
            raise InputError(f"{source.path} was stopped before its first mask: nothing is written")
    cuts = [shot.first for shot in shots[1:]]
    write_record(
        folder,
        {
            "num_frames": num_frames,
            "size": [source.width, source.height],
            "cuts": cuts,
            "products": list(write),
            "look": asdict(look),
            "settings": asdict(settings),
            "shots": [asdict(shot) for shot in shots if shot.stride != settings.stride],
            "software": f"threedcseg {version('threedcseg')}, Python {platform.python_version()}",
            **facts(),
        },
    )
    return VideoResult(folder, num_frames, tuple(cuts))


def segment_source(
    source: FrameSource,
    network: Network,
    settings: Settings,
    on_shot: Callable[[Shot], None] | None = None,
) -> Iterator[tuple[Frame, np.ndarray]]:
    """`segment` for an open video: each frame with its probabilities ``(H, W)`` float32."""
    frames = ((frame, frame.image) for frame in source)
    return segment_keyed(frames, network, settings, on_shot)


def _check_apart(path: Path, folder: Path) -> None:
    """Never write among, or clear away, the files that are read, also where links lead to them."""
    for read in (path, *(list_images(path) if path.is_dir() else ())):
        place = read.resolve()
        if folder.resolve() in (place, *place.parents):
            raise InputError(
                f"{read} lies in the output folder {folder}, where the results would replace it: "
                "give another output folder"
            )
