"""A progress bar with frames a second and time left, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from threedcseg.video.frame import FrameSource

if TYPE_CHECKING:
    from threedcseg.inference.predictor import Shot


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} frames/s" if task.speed else "")


class FrameProgress:
    """A bar for one video: call it once for each finished frame, and ``shot`` as one begins."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._task = progress.add_task(name, total=None)

    def __call__(self, source: FrameSource) -> None:
        self._progress.update(self._task, advance=1, total=source.num_frames)

    def shot(self, shot: "Shot") -> None:
        """A shot begins."""
        if shot.number:
            description = f"{self._name}, shot {shot.number + 1} from frame {shot.first}"
            self._progress.update(self._task, description=description)


@contextmanager
def frame_progress(name: str) -> Iterator[FrameProgress]:
    """A bar for one video."""
    with _bar() as progress:
        yield FrameProgress(progress, name)


@contextmanager
def count_progress(total: int) -> Iterator[Callable[[str], None]]:
    """A bar for ``total`` frames; call the yielded function with a name for each finished one."""
    with _bar() as progress:
        task = progress.add_task("", total=total)
        yield lambda name: progress.update(task, advance=1, description=name)


def _bar() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,  # else a blank line goes into a log
    )
