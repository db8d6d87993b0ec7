"""A folder that nobody else can read and that does not outlive the server."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PREFIX = "3dcseg-demo-"
_LOCK = "in-use"


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder among the system's temporary ones, removed at the end of the block.

    What servers left that were killed is removed first; the system has taken their locks back.
    """
    _remove_left_over(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # mode 700
    try:
        with (folder / _LOCK).open("w") as lock:
            _try_lock(lock)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_over(parent: Path) -> None:
    for path in parent.glob(f"{PREFIX}*/{_LOCK}"):
        try:
            if time.time() - path.stat().st_mtime < 60:
                continue  # perhaps just made, and about to be locked
            with path.open("r+") as lock:
                if _try_lock(lock):
                    shutil.rmtree(path.parent, ignore_errors=True)
        except OSError:  # another user's, or gone meanwhile
            continue


def _try_lock(file: IO[str]) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
