"""A video file in, a folder of masks out: the path that `3dcseg segment` walks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from threedcseg.errors import InputError
from threedcseg.inference.predictor import Network, Shot, segment_keyed
from threedcseg.inference.settings import Settings
from threedcseg.outputs.formats import FORMATS, SegmentedFrame, Sink, check_outputs
from threedcseg.outputs.record import LiveRecord, Provenance, RunRecord, RunTerms, ShotRecord
from threedcseg.outputs.rendering import Rendering
from threedcseg.outputs.result_folder import begin_run, finish_run
from threedcseg.outputs.tracking import ObjectTracker
from threedcseg.video.frame import Frame, FrameSource
from threedcseg.video.paths import list_images
from threedcseg.video.reader import Reading, open_video


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
    rendering: Rendering | None = None,
    provenance: Provenance | None = None,
    on_frame: Callable[[FrameSource], None] | None = None,
    on_shot: Callable[[Shot], None] | None = None,
    also: Sequence[Sink] = (),
    reading: Reading | None = None,
) -> VideoResult:
    """Segment a video file or a folder of frames, frame by frame, in constant memory.

    ``folder`` receives what ``write`` names, any of `formats.FORMATS`, all in one pass
    (docs/outputs.md): ``NAME.png`` masks (0 and 255, the source's size and frame names),
    ``probabilities/NAME.png`` (8 bits), ``overlay.mp4``, ...; and at the very end ``3dcseg.json``,
    the `RunRecord`: a folder without it is unfinished. ``rendering`` decides on edges and
    background, ``provenance`` says where the network is from. ``on_frame`` is called after each
    written frame, ``on_shot`` before the first one of each shot; ``also`` are given the results of
    each frame, besides what is written; ``reading`` says how the source is read. ``settings``: by
    default what the network's file recommends.

    Raises `InputError` for input that cannot be read or output that cannot be written.
    """
    check_outputs(write)
    reading = reading or Reading()
    with open_video(path, folder_rate=reading.fps, deinterlace=reading.deinterlace) as source:
        _check_apart(source.path, Path(folder))
        return segment_to_folder(
            source,
            str(path),
            Path(folder),
            network,
            settings or Settings.recommended_by(network),
            write=write,
            rendering=rendering,
            provenance=provenance,
            on_frame=on_frame,
            on_shot=on_shot,
            also=also,
            reading=reading,
        )


def segment_to_folder(
    source: FrameSource,
    source_name: str,
    folder: Path,
    network: Network,
    settings: Settings,
    *,
    write: Sequence[str] = ("masks",),
    rendering: Rendering | None = None,
    provenance: Provenance | None = None,
    live: Callable[[], dict[str, Any]] | None = None,
    on_frame: Callable[[FrameSource], None] | None = None,
    on_shot: Callable[[Shot], None] | None = None,
    also: Sequence[Sink] = (),
    reading: Reading | None = None,
) -> VideoResult:
    """`segment_video` for an open source, live ones too, which the record calls
    ``source_name``; ``live`` is asked at the end for the fields of its `LiveRecord`."""
    rendering = rendering or Rendering()
    check_outputs(write)
    rendering.check()
    if (background := Path(rendering.background)).exists():
        _check_apart(background, folder)
    terms = run_terms(settings, write, rendering, provenance or Provenance(), reading)
    record = RunRecord(
        source=source_name,
        size=(source.width, source.height),
        frame_names=_frame_names(source.path),
        **dict(terms),
    )
    num_frames = 0
    shots: list[ShotRecord] = []
    begun: Shot | None = None

    def begin(shot: Shot) -> None:
        nonlocal begun
        begun = shot
        if on_shot is not None:
            on_shot(shot)

    formats = [FORMATS[name] for name in write]
    tracker = ObjectTracker() if any(item.needs_objects for item in formats) else None
    with ExitStack() as stack:
        begin_run(folder, record)
        sinks = [stack.enter_context(item.open_in(folder, source, rendering)) for item in formats]
        sinks += also
        for frame, probabilities in segment_source(source, network, settings, begin):
            mask = probabilities > settings.threshold
            new_shot = begun is not None
            if begun is not None:  # by the source's number, which dropped frames have, too
                shots.append(ShotRecord(first_frame=frame.index, stride=begun.stride))
                begun = None
            objects = tracker.update(mask, new_shot) if tracker else ()
            result = SegmentedFrame(frame, probabilities, mask, objects)
            for sink in sinks:
                sink(result)
            num_frames += 1
            if on_frame is not None:
                on_frame(source)
        if not num_frames:  # before the outputs are closed, so that none appears
            raise InputError(f"{source_name} was stopped before its first mask: nothing is written")
    record = record.model_copy(
        update={
            "num_frames": num_frames,
            "shots": tuple(shots),
            "live": None if live is None else LiveRecord(**live()),
        }
    )
    finish_run(folder, record)
    return VideoResult(folder, num_frames, record.cuts)


def run_terms(
    settings: Settings,
    write: Sequence[str],
    rendering: Rendering,
    provenance: Provenance,
    reading: Reading | None = None,
) -> RunTerms:
    """What the record of a run with these arguments says was asked for."""
    reading = reading or Reading()
    fps = None if reading.fps is None else str(reading.fps)
    return RunTerms(
        outputs={name: FORMATS[name].files for name in write},
        rendering=rendering,
        settings=asdict(settings),
        provenance=provenance,
        reading={"fps": fps, "deinterlace": reading.deinterlace},
    )


def _frame_names(path: Path) -> tuple[str, ...] | None:
    """Those of a folder of frames, unless they are numbered as those of a video."""
    if not path.is_dir():
        return None
    names = tuple(image.stem for image in list_images(path))
    return None if all(name == f"{i:05d}" for i, name in enumerate(names)) else names


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
                f"{read} lies in the output folder {folder}, where the results would replace it",
                "give another output folder",
            )
