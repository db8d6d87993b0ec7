"""What a run makes of its segmented frames: their objects, their doubt, and every output."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np

from threedcseg.errors import InputError
from threedcseg.inference.predictor import Shot
from threedcseg.inference.settings import Settings
from threedcseg.outputs.corrections import Corrections
from threedcseg.outputs.doubt import DoubtMeter
from threedcseg.outputs.formats import FORMATS, Renderer, SegmentedFrame, Sink
from threedcseg.outputs.record import LiveRecord, RunRecord, RunTerms, ShotRecord
from threedcseg.outputs.result_folder import begin_run, check_apart, finish_run
from threedcseg.outputs.tracking import ObjectTracker
from threedcseg.segmentation.first_pass import FirstPass
from threedcseg.video.folder import FolderReader
from threedcseg.video.frame import Frame, FrameSource


class ResultWriter:
    """Writes what ``terms`` ask for and is not ``kept``, in a folder that is the run's alone.

    Within ``with``, `add` takes the frames in order and `complete` ends them; on leaving it, files
    appear, whole ones only. `finish` writes the record. ``also`` are given each frame's results
    besides. Raises `InputError` for what cannot be done before anything is cleared away.
    """

    def __init__(
        self,
        source: FrameSource,
        folder: Path,
        settings: Settings,
        terms: RunTerms,
        kept: Mapping[str, tuple[str, ...]],
        *,
        corrections: Corrections | None = None,
        also: Sequence[Sink] = (),
    ) -> None:
        if (background := Path(terms.rendering.background)).exists():
            check_apart(background, folder)
        outputs = {name: files for name, files in terms.outputs.items() if name not in kept}
        self._source, self._folder, self._settings, self._kept = source, folder, settings, kept
        self._record = RunRecord(
            size=(source.width, source.height),
            first_frame=source.extent.first,
            frame_names=_frame_names(source),
            **{**dict(terms), "outputs": outputs},
        )
        self._formats = [FORMATS[name] for name in outputs]
        self._sinks: list[Sink] = []
        self._also = also
        self._first_pass = None
        if terms.choice or corrections is not None:
            self._first_pass = FirstPass(source, terms.choice, corrections, folder)
        follows = self._first_pass or also or any(each.needs_objects for each in self._formats)
        self._tracker = ObjectTracker() if follows else None
        self._renderer = Renderer(terms.rendering)
        self._doubt = DoubtMeter(settings.threshold)
        self._shots: list[ShotRecord] = []
        self._num_frames = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            begin_run(self._folder, self._record, list(self._kept))
            opened = (self._folder, self._source, self._record.rendering)
            self._sinks = [stack.enter_context(each.open_in(*opened)) for each in self._formats]
            self._sinks += self._also
            if self._first_pass is not None:
                stack.enter_context(self._first_pass)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> bool | None:
        return self._open.__exit__(*error)

    def add(self, frame: Frame, probabilities: np.ndarray, shots: Sequence[Shot] = ()) -> None:
        """The next frame with its probabilities ``(H, W)`` float32; ``shots``: that it begins."""
        for shot in shots:  # by the source's number, which dropped frames have, too
            self._shots.append(ShotRecord(first_frame=frame.index, stride=shot.stride))
        self._num_frames += 1
        mask, begins_shot = self._settings.mask(probabilities), bool(shots)
        follow = None if self._tracker is None else self._tracker.update
        objects = () if follow is None else follow(mask, frame.image, begins_shot)
        found = SegmentedFrame(frame, probabilities, mask, objects)
        if self._first_pass is None:
            self._write(found, begins_shot)
        else:
            self._first_pass.add(found, begins_shot)

    def complete(self) -> None:
        """All frames are there: what waited for the last one is written. Raises `InputError` where
        there was none."""
        if self._first_pass is not None:
            for found, begins_shot in self._first_pass.frames(self._source):
                self._write(found, begins_shot)
        if not self._num_frames:  # before the outputs are closed, so that none appears
            raise InputError(
                f"{self._record.source} was stopped before its first mask: nothing is written"
            )

    def finish(self, live: LiveRecord | None = None) -> RunRecord:
        """Write the record, of all that the folder holds now."""
        done = {
            "outputs": {**self._kept, **self._record.outputs},
            "num_frames": self._num_frames,
            "shots": tuple(self._shots),
            "doubtful": self._doubt.doubtful(),
            "live": live,
            "chosen": None if self._first_pass is None else self._first_pass.chosen,
            "damage": self._source.damage or None,
        }
        record = self._record.model_copy(update=done)
        finish_run(self._folder, record)
        return record

    def _write(self, found: SegmentedFrame, begins_shot: bool) -> None:
        self._doubt.update(found.frame.index, found.probabilities, begins_shot)
        result = self._renderer.next(found, begins_shot)
        for sink in self._sinks:
            sink(result)


def _frame_names(source: FrameSource) -> tuple[str, ...] | None:
    """Those of images, unless they are numbered as those of a video."""
    if not isinstance(source, FolderReader):
        return None
    names, first = source.frame_names, source.extent.first
    return None if all(name == f"{i:05d}" for i, name in enumerate(names, first)) else names
