"""What is done with each of many videos, as plain values that can be sent to other machines."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from threedcseg.inference.predictor import Network, Shot
from threedcseg.inference.settings import Settings
from threedcseg.outputs.record import Provenance, RunTerms
from threedcseg.outputs.rendering import Rendering
from threedcseg.segmentation.video import run_terms, segment_video
from threedcseg.video.frame import FrameSource
from threedcseg.video.reader import Reading


class Progress(Protocol):
    """Called after each frame of a video, and as each shot begins."""

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
        reading: how the videos are read.
        progress: opens the progress of a video by the name of its folder.
    """

    load: Callable[[], tuple[Network, Provenance]]
    settings: Callable[[Network], Settings]
    write: tuple[str, ...]
    rendering: Rendering
    progress: Callable[[str], AbstractContextManager[Progress]]
    reading: Reading = field(default_factory=Reading)

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

    @property
    def terms(self) -> RunTerms:
        """What the records of its results say."""
        task = self.task
        return run_terms(self.settings, task.write, task.rendering, self.provenance, task.reading)

    def __call__(self, video: Path, folder: Path) -> str:
        with self.task.progress(folder.name) as progress:
            result = segment_video(
                video,
                folder,
                self.network,
                self.settings,
                write=self.task.write,
                rendering=self.task.rendering,
                provenance=self.provenance,
                on_frame=progress,
                on_shot=progress.shot,
                reading=self.task.reading,
            )
        shots = f" in {len(result.cuts) + 1} shots" if result.cuts else ""
        return f"{result.num_frames} frames{shots} of {video} -> {result.folder}"
