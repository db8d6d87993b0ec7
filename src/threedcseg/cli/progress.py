"""How far a command is: a bar on a terminal, now and then a line in a log, objects for programs."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from threedcseg.cli.terminal import bare, escaped
from threedcseg.video.frame import FrameSource

if TYPE_CHECKING:
    from threedcseg.inference.predictor import Shot

LINE_EVERY = 15.0  # seconds
EVENT_EVERY = 1.0  # seconds


class Pace:
    """Counts frames, and says at most ``every`` so many seconds how it goes."""

    def __init__(self, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.done = 0
        self._every, self._clock = every, clock
        self._begun = self._last = clock()

    def tick(self) -> bool:
        """One more frame is done; whether it is time to say so."""
        self.done += 1
        now = self._clock()
        if now - self._last < self._every:
            return False
        self._last = now
        return True

    @property
    def rate(self) -> float:
        """Frames a second, from the beginning."""
        return self.done / max(self._last - self._begun, 1e-3)

    def seconds_left(self, total: int | None) -> float | None:
        """By the rate so far; None where the ``total`` is not known."""
        return None if total is None else max(0, total - self.done) / self.rate

    def line(self, total: int | None) -> str:
        """``40 of 120 frames, 8.0 frames/s, 0:10 left``."""
        left = self.seconds_left(total)
        of = "" if total is None else f" of {total}"
        minutes, seconds = divmod(round(left or 0), 60)
        then = "" if left is None else f", {minutes}:{seconds:02d} left"
        return f"{self.done}{of} frames, {self.rate:.1f} frames/s{then}"


class Quiet:
    """Says nothing of a video; what the others have in common."""

    def start(self, source: FrameSource) -> None:
        """The video is open."""

    def __call__(self, source: FrameSource) -> None:
        """A frame is finished."""

    def shot(self, shot: "Shot") -> None:
        """A shot begins."""


class _Bar(Quiet):
    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = escaped(name)
        self._task = progress.add_task(self._name, total=None)

    def __call__(self, source: FrameSource) -> None:
        self._progress.update(self._task, advance=1, total=source.num_frames)

    def shot(self, shot: "Shot") -> None:
        if shot.number:
            description = f"{self._name}, shot {shot.number + 1} from frame {shot.first}"
            self._progress.update(self._task, description=description)


class Lines(Quiet):
    """A line on standard error every so often."""

    def __init__(self, name: str, pace: Pace) -> None:
        self._name, self._pace = name, pace

    def __call__(self, source: FrameSource) -> None:
        if self._pace.tick():
            line = f"{self._name}: {self._pace.line(source.num_frames)}"
            print(line, file=sys.stderr, flush=True)


class Events(Quiet):
    """An object a line on standard output, for programs."""

    def __init__(self, video: Path, folder: Path, pace: Pace) -> None:
        self._named = {"video": str(video), "folder": str(folder)}
        self._pace = pace

    def start(self, source: FrameSource) -> None:
        size = [source.width, source.height]
        print_event("start", sys.stdout, **self._named, size=size, total=source.num_frames)

    def __call__(self, source: FrameSource) -> None:
        if self._pace.tick():
            left = self._pace.seconds_left(source.num_frames)
            print_event(
                "progress",
                sys.stdout,
                **self._named,
                frames=self._pace.done,
                total=source.num_frames,
                frames_per_second=round(self._pace.rate, 2),
                seconds_left=None if left is None else round(left, 1),
            )

    def shot(self, shot: "Shot") -> None:
        if shot.number:
            print_event("cut", sys.stdout, **self._named, frame=shot.first)


def print_event(event: str, stream: TextIO, **facts: Any) -> None:
    """One JSON object on a line."""
    print(json.dumps({"event": event, **facts}), file=stream, flush=True)


@contextmanager
def frame_progress(video: Path, folder: Path) -> Iterator[Quiet]:
    """The progress of one video, for people: a bar, or lines where there is no terminal."""
    console = Console(file=bare(sys.stderr))
    if not console.is_terminal:
        yield Lines(folder.name, Pace(LINE_EVERY))
        return
    with _bar(console) as progress:
        yield _Bar(progress, folder.name)


@contextmanager
def no_progress(video: Path, folder: Path) -> Iterator[Quiet]:
    """Nothing."""
    yield Quiet()


@contextmanager
def event_progress(video: Path, folder: Path) -> Iterator[Quiet]:
    """The progress of one video, for programs."""
    yield Events(video, folder, Pace(EVENT_EVERY))


@contextmanager
def count_progress(total: int) -> Iterator[Callable[[str], None]]:
    """Of ``total`` frames; call the yielded function with a name for each finished one."""
    console = Console(file=bare(sys.stderr))
    if not console.is_terminal:
        pace = Pace(LINE_EVERY)

        def tick(name: str) -> None:
            if pace.tick():
                print(f"{name}: {pace.line(total)}", file=sys.stderr, flush=True)

        yield tick
        return
    with _bar(console) as progress:
        task = progress.add_task("", total=total)
        yield lambda name: progress.update(task, advance=1, description=escaped(name))


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} frames/s" if task.speed else "")


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
