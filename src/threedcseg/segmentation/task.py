"""What is done with each of many videos, as plain values that can be sent to other machines."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from threedcseg.atomic import scratch_folder
from threedcseg.inference.predictor import Network, Shot
from threedcseg.inference.settings import Settings
from threedcseg.outputs.choice import ObjectChoice
from threedcseg.outputs.formats import FORMATS, FRAME
from threedcseg.outputs.record import Provenance
from threedcseg.outputs.rendering import Rendering
from threedcseg.segmentation.video import VideoResult, segment_video
from threedcseg.video.frame import FrameSource
from threedcseg.video.reader import Reading


class Progress(Protocol):
    """Called after each frame of a video, and as it and each shot begin."""

    def start(self, source: FrameSource) -> None: ...

    def __call__(self, source: FrameSource) -> None: ...

    def shot(self, shot: Shot) -> None: ...


@dataclass(frozen=True)
class Task:
    """What to do with a video; pickles if its functions do.

    Attributes:
        load: loads the network, where it is to run.
        settings: of the prediction, by the network.
        write: names of formats.
        rendering: how they are drawn.
        progress: opens the progress of a video, by it and the folder of its results.
        reading: how the videos are read.
        redo: do again what was done before.
        choice: of the objects.
        corrected: file or folder of corrected masks.
    """

    load: Callable[[], tuple[Network, Provenance]]
    settings: Callable[[Network], Settings]
    write: tuple[str, ...]
    rendering: Rendering
    progress: Callable[[Path, Path], AbstractContextManager[Progress]]
    reading: Reading = field(default_factory=Reading)
    redo: bool = False
    choice: ObjectChoice = field(default_factory=ObjectChoice)
    corrected: Path | None = None

    def start(self) -> "Worker":
        """The task with its network."""
        network, provenance = self.load()
        return Worker(self, network, self.settings(network), provenance)


@dataclass(frozen=True)
class Worker:
    """A task and its network: a `Work`, to be called with a video and a folder."""

    task: Task
    network: Network
    settings: Settings
    provenance: Provenance

    def __call__(self, video: Path, folder: Path) -> VideoResult:
        with self.task.progress(video, folder) as progress:
            return self._segment(video, folder, progress, self.task.redo)

    def to_file(self, video: Path, file: Path) -> VideoResult:
        """The one output of the task as this file, which appears when it is whole."""
        (name,) = self.task.write
        file.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(file.parent, f".{file.name[:40]}-") as folder:
            part = folder / "result"
            with self.task.progress(video, file) as progress:
                result = self._segment(video, part, progress, redo=True)
            os.replace(part / FORMATS[name].files[0].replace(FRAME, video.stem), file)
        return replace(result, folder=file)

    def _segment(self, video: Path, folder: Path, progress: Progress, redo: bool) -> VideoResult:
        return segment_video(
            video,
            folder,
            self.network,
            self.settings,
            write=self.task.write,
            rendering=self.task.rendering,
            provenance=self.provenance,
            reading=self.task.reading,
            choice=self.task.choice,
            corrected=self.task.corrected,
            redo=redo,
            on_start=progress.start,
            on_frame=progress,
            on_shot=progress.shot,
        )
