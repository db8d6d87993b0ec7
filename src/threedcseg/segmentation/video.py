"""A video file in, a folder of masks out: the path that `3dcseg segment` walks."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from threedcseg.inference.on_device import device_of, resizes
from threedcseg.inference.predictor import Network, Shot, segment_keyed, windows_at_once
from threedcseg.inference.settings import Settings
from threedcseg.outputs.choice import ObjectChoice
from threedcseg.outputs.corrections import read_corrections
from threedcseg.outputs.doubt import DoubtfulFrames
from threedcseg.outputs.formats import FORMATS, Sink, check_outputs
from threedcseg.outputs.record import LiveRecord, Provenance, RunRecord, RunTerms
from threedcseg.outputs.rendering import Rendering
from threedcseg.outputs.result_folder import check_apart, claimed_folder, kept_outputs
from threedcseg.pipelining import ahead, behind
from threedcseg.segmentation.identity import identify
from threedcseg.segmentation.results import ResultWriter
from threedcseg.video.damage import Damage
from threedcseg.video.frame import Frame, FrameSource
from threedcseg.video.reader import Reading

AHEAD = 8
"""Frames read ahead, and results that wait to be written; with a GPU, a block of windows."""
AHEAD_BYTES = 100_000_000
"""Both may take so much each, but for one frame."""

_Segmented = tuple[Frame, np.ndarray, tuple[Shot, ...]]
"""A frame, its probabilities ``(H, W)``, and the shots that it begins."""


@dataclass(frozen=True)
class VideoResult:
    """Where the results of one video lie, how many frames it had, which began a new shot, and
    which somebody should look at.

    ``done_before``: all of it was there already. ``damage``: what of the source was lost; None
    where nothing was.
    """

    folder: Path
    num_frames: int
    cuts: tuple[int, ...] = ()
    doubtful: tuple[DoubtfulFrames, ...] = ()
    done_before: bool = False
    damage: Damage | None = None

    @classmethod
    def of(cls, folder: Path, record: RunRecord, done_before: bool = False) -> "VideoResult":
        """What the record of a finished run says."""
        done = record.num_frames, record.cuts, record.doubtful, done_before
        return cls(folder, *done, damage=record.damage)


def segment_video(
    path: str | Path,
    folder: str | Path,
    network: Network,
    settings: Settings | None = None,
    *,
    write: Sequence[str] = ("masks",),
    rendering: Rendering | None = None,
    choice: ObjectChoice | None = None,
    corrected: str | Path | None = None,
    provenance: Provenance | None = None,
    redo: bool = False,
    on_start: Callable[[FrameSource], None] | None = None,
    on_frame: Callable[[FrameSource], None] | None = None,
    on_shot: Callable[[Shot], None] | None = None,
    reading: Reading | None = None,
) -> VideoResult:
    """Segment a video file or a folder of frames, frame by frame, in constant memory.

    Frames are read and results written while the network computes (`AHEAD_BYTES`): ``on_frame`` is
    called in another thread.

    ``folder`` receives what ``write`` names, any of `formats.FORMATS`
    (docs/outputs.md): ``NAME.png`` masks (0 and 255, the source's size and frame names),
    ``probabilities/NAME.png`` (8 bits), ``overlay.mp4``, ...; and at the very end ``3dcseg.json``,
    the `RunRecord`: a folder without it is unfinished. ``rendering`` decides on edges and
    background, ``provenance`` says where the network is from, ``reading`` how the source is read.
    ``choice`` says which objects are wanted, ``corrected`` names masks that a person has corrected
    (docs/objects.md): with either, results are written in a second pass, from a temporary file.
    ``on_start`` is called with the open source, ``on_frame`` after each written frame, ``on_shot``
    before the first one of each shot. ``settings``: by default what the network's file recommends.

    What an earlier run left of the same source, made by the same settings and weights (which
    ``provenance`` tells), stays and is not made again, unless ``redo``; all else that it left is
    replaced.

    Raises `InputError` for input that cannot be read, output that cannot be written and a folder
    that holds results of another source; `FolderInUse` where another run writes into it.
    """
    check_outputs(write)
    settings = settings or Settings.recommended_by(network)
    rendering, provenance = rendering or Rendering(), provenance or Provenance()
    reading = reading or Reading()
    folder = Path(folder)
    check_apart(Path(path), folder)
    source_name, digest = identify(path)
    corrections = None if corrected is None else read_corrections(corrected)
    terms = run_terms(source_name, digest, settings, write, rendering, provenance, reading, choice)
    if corrections is not None:
        check_apart(corrections.path, folder)
        named = os.path.abspath(corrections.path), corrections.digest
        terms = terms.model_copy(update={"corrected": named})
    with claimed_folder(folder):
        kept = kept_outputs(folder, terms, redo)
        earlier = RunRecord.read(folder)
        if earlier is not None and all(name in kept for name in write):
            return VideoResult.of(folder, earlier, done_before=True)
        with reading.open(path) as source:
            if on_start is not None:
                on_start(source)
            results = ResultWriter(source, folder, settings, terms, kept, corrections=corrections)
            record = _segment(
                source, network, settings, results, on_frame=on_frame, on_shot=on_shot
            )
    return VideoResult.of(folder, record)


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
    redo: bool = False,
    live: Callable[[], dict[str, Any]] | None = None,
    on_frame: Callable[[FrameSource], None] | None = None,
    also: Sequence[Sink] = (),
    reading: Reading | None = None,
) -> VideoResult:
    """`segment_video` for an open source, live ones too, which the record calls
    ``source_name``; ``live`` is asked at the end for the fields of its `LiveRecord`, and ``also``
    are given the results of each frame, with its objects, besides what is written, in another
    thread but for live sources."""
    check_outputs(write)
    rendering, provenance = rendering or Rendering(), provenance or Provenance()
    terms = run_terms(source_name, None, settings, write, rendering, provenance, reading)
    with claimed_folder(folder):
        kept = kept_outputs(folder, terms, redo)
        results = ResultWriter(source, folder, settings, terms, kept, also=also)
        record = _segment(source, network, settings, results, live=live, on_frame=on_frame)
    return VideoResult.of(folder, record)


def _segment(
    source: FrameSource,
    network: Network,
    settings: Settings,
    results: ResultWriter,
    *,
    live: Callable[[], dict[str, Any]] | None = None,
    on_frame: Callable[[FrameSource], None] | None = None,
    on_shot: Callable[[Shot], None] | None = None,
) -> RunRecord:
    """Frames are read ahead of the network and results written behind it, but for live sources."""

    def finish(segmented: _Segmented) -> None:
        results.add(*segmented)
        if on_frame is not None:
            on_frame(source)

    # A GPU has computed a batch before the next one is read, and this one written.
    device = device_of(network)
    at_once = windows_at_once(settings, device)
    most = settings.clip_length * at_once if resizes(device) else AHEAD
    pixels = source.height * source.width
    with results:
        with ExitStack() as threads:
            frames: Iterable[Frame] = source
            later: Callable[[_Segmented], None] = finish
            if live is None:  # else a frame that waits here would be one not dropped in time
                frames = threads.enter_context(ahead(source, _affordable(3 * pixels, most)))
                later = threads.enter_context(behind(finish, _affordable(8 * pixels, most)))
            begun: list[Shot] = []  # of which the first frame is to come
            for frame, probabilities in segment_source(frames, network, settings, begun.append):
                if on_shot is not None:
                    for shot in begun:
                        on_shot(replace(shot, first=source.extent.first + shot.first))
                later((frame, probabilities, tuple(begun)))
                begun.clear()
        results.complete()
    return results.finish(None if live is None else LiveRecord(**live()))


def run_terms(
    source: str,
    source_digest: str | None,
    settings: Settings,
    write: Sequence[str],
    rendering: Rendering,
    provenance: Provenance,
    reading: Reading | None = None,
    choice: ObjectChoice | None = None,
) -> RunTerms:
    """What the record of a run with these arguments says was asked for; `InputError` for a
    rendering that cannot work, or a choice that cannot be understood."""
    choice = choice or ObjectChoice()
    rendering.check()
    choice.check()
    return RunTerms(
        source=source,
        source_digest=source_digest,
        outputs={name: FORMATS[name].files for name in write},
        rendering=rendering,
        settings=asdict(settings),
        provenance=provenance,
        reading={**(reading or Reading()).record()},
        choice=choice,
    )


def _affordable(num_bytes: int, most: int) -> int:
    return max(1, min(most, AHEAD_BYTES // num_bytes))


def segment_source(
    source: Iterable[Frame],
    network: Network,
    settings: Settings,
    on_shot: Callable[[Shot], None] | None = None,
) -> Iterator[tuple[Frame, np.ndarray]]:
    """`segment` for an open video: each frame with its probabilities ``(H, W)`` float32."""
    frames = ((frame, frame.image) for frame in source)
    return segment_keyed(frames, network, settings, on_shot)
