"""One video of a user, and the files that were asked for of it."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from threedcseg.demo.uploads import VideoFacts, safe_name
from threedcseg.outputs.doubt import DoubtfulFrames
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.reader import VideoReader

State = Literal["receiving", "queued", "running", "done", "failed"]


@dataclass(eq=False)
class Output:
    """A file that was asked for, without the objects of the numbers in ``drop``."""

    format: str
    rendering: Rendering
    drop: tuple[int, ...] = ()
    state: Literal["making", "ready", "failed"] = "making"
    num_frames: int = 0
    path: Path | None = None
    num_bytes: int = 0
    error: str | None = None


@dataclass
class FoundObject:
    """First and last frame, as they are shown, and pixels in all."""

    first: int
    last: int = 0
    pixels: int = 0


@dataclass(eq=False)
class Job:
    """One video on its way, or done.

    Attributes:
        id: unguessable; who knows it may see and delete the video.
        folder: holds all there is of it.
        name: of the file, as its owner knows it.
        num_bytes: of the video, as announced.
        client: who sent it; None for this machine's own user.
        path: where it lies, if it was not sent: on this machine, whose user named it. It stays.
        objects: what was found so far, by number.
        doubtful: frames to check, once it is done.
        watchers: pages that look at it now.
        seen: when one last did, or sent a part of it, by `time.monotonic`.
    """

    id: str
    folder: Path
    name: str
    num_bytes: int = 0
    client: str | None = None
    path: Path | None = None
    state: State = "receiving"
    facts: VideoFacts | None = None
    num_done: int = 0
    started: float | None = None
    finished: float | None = None
    error: str | None = None
    objects: dict[int, FoundObject] = field(default_factory=dict)
    doubtful: tuple[DoubtfulFrames, ...] = ()
    damage: str | None = None
    outputs: list[Output] = field(default_factory=list)
    watchers: int = 0
    seen: float = field(default_factory=time.monotonic)
    cancelled: bool = False
    workers: int = 0  # threads that work in its folder

    def open(self) -> VideoReader:
        """Its video, which messages call by the name that its owner knows."""
        return VideoReader(self.video, self.name)

    @property
    def video(self) -> Path:
        return self.path or self.folder / "upload" / safe_name(self.name)

    @property
    def seconds(self) -> float:
        """How long it has been worked on."""
        return (self.finished or time.monotonic()) - self.started if self.started else 0.0

    @property
    def speed(self) -> float | None:
        """Frames a second; None before the first."""
        return self.num_done / self.seconds if self.num_done and self.seconds else None

    @property
    def previews(self) -> Path:
        return self.folder / "previews"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def is_settled(self) -> bool:
        """Whether nothing will change before somebody asks for it."""
        making = any(output.state == "making" for output in self.outputs)
        return self.cancelled or (self.state in ("done", "failed") and not making)
