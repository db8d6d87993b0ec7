"""A progress bar with frames a second and time left, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from threedcseg.video.reader import FrameSource


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} frames/s" if task.speed else "")


@contextmanager
def frame_progress(name: str) -> Iterator[Callable[[FrameSource], None]]:
    """A bar for one video; call the yielded function once for each finished frame."""
    with _bar() as progress:
        task = progress.add_task(name, total=None)

        def tick(source: FrameSource) -> None:
            progress.update(task, advance=1, total=source.num_frames)

        yield tick


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
