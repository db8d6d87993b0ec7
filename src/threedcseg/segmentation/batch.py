"""Many videos, each of which is done once, however often and by however many it is tried."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from threedcseg.errors import InputError
from threedcseg.outputs.record import read_record
from threedcseg.video.paths import expand_inputs

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def read_manifest(path: Path) -> list[Path]:
    """The videos and frame folders that a text file names, one a line, each once.

    Relative paths are looked for from the file's own folder; empty lines and those that begin with
    # are left out. Raises `InputError` naming the line that cannot be used.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: no such list; name one video or folder a line") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise InputError(f"{path}: not a text file; name one video or folder a line") from None
    found: dict[Path, Path] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            for item in expand_inputs([(path.parent / line.strip()).absolute()]):
                found.setdefault(item.resolve(), item)
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}") from None
    if not found:
        raise InputError(f"{path}: the list is empty; name one video or folder of frames a line")
    return list(found.values())


Work = Callable[[Path, Path], str]
"""Makes the result of a video in a folder, and returns a line that says what was made."""


@dataclass(frozen=True)
class Outcome:
    """What became of one video, and the line that says so if there is something to say.

    ``done`` now, done ``before``, being done ``elsewhere`` by another process, or ``failed``.
    """

    kind: Literal["done", "before", "elsewhere", "failed"]
    said: str = ""


@dataclass
class Tally:
    """How many videos were done now, had been done before, are in others' hands, and failed."""

    done: int = 0
    before: int = 0
    elsewhere: int = 0
    failed: int = 0

    @classmethod
    def of(cls, outcomes: Iterable[Outcome], tell: Callable[[Outcome], None]) -> "Tally":
        """Counts the outcomes as they come, and hands those that say something to ``tell``."""
        tally = cls()
        for outcome in outcomes:
            setattr(tally, outcome.kind, getattr(tally, outcome.kind) + 1)
            if outcome.said:
                tell(outcome)
        return tally

    def __str__(self) -> str:
        said = f"{self.done} done, {self.before} done before"
        said += f", {self.elsewhere} being done by another process" if self.elsewhere else ""
        return said + (f", {self.failed} failed" if self.failed else "")


def do_once(video: Path, folder: Path, work: Work, made_by: dict[str, Any]) -> Outcome:
    """Call ``work(video, folder)`` unless ``folder`` holds the result already.

    A result counts if its completion record is there and says the same source and what ``made_by``
    says: settings, weights, products. A video that another process is working on is left to it. One
    that cannot be used has failed; faults that are not the video's are raised.
    """
    with _claimed(folder) as ours:
        if not ours:
            return Outcome("elsewhere")
        if _is_made(folder, {"source": str(video), **made_by}):
            return Outcome("before")
        try:
            return Outcome("done", work(video, folder))
        except InputError as error:
            return failure(video, error)


def failure(video: Path, reason: object) -> Outcome:
    """That ``video`` has failed, told in one line."""
    return Outcome("failed", f"error: {video}: {' '.join(str(reason).split())}")


def _is_made(folder: Path, expected: dict[str, Any]) -> bool:
    record = read_record(folder)
    plain = json.loads(json.dumps(expected))  # tuples become lists, as they did in the record
    return record is not None and all(record.get(key) == value for key, value in plain.items())


@contextmanager
def _claimed(folder: Path) -> Iterator[bool]:
    """Whether this process may work on ``folder`` until the block ends.

    The claim is a lock that the system takes back when a process ends, however it ends.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.with_name(f".{folder.name}.claim")
    with ExitStack() as stack:
        while True:
            file = stack.enter_context(path.open("w"))
            if not _lock(file.fileno()):
                yield False
                return
            if _same(path, file.fileno()):
                break  # else its last holder has removed it meanwhile
        yield True
        path.unlink(missing_ok=True)


def _same(path: Path, descriptor: int) -> bool:
    return path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor))


def _lock(descriptor: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
