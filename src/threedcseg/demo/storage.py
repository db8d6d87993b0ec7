"""A folder that nobody else can read and that does not outlive the server."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from threedcseg.atomic import claimed

PREFIX = "3dcseg-demo-"
_CLAIM = "in-use"


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder among the system's temporary ones, removed at the end of the block.

    What servers left that were killed is removed first: their claims have ended with them.
    """
    _remove_left_over(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # mode 700
    try:
        with claimed(folder / _CLAIM):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_over(parent: Path) -> None:
    for path in parent.glob(f"{PREFIX}*/{_CLAIM}"):
        try:
            if time.time() - path.stat().st_mtime < 60:
                continue  # perhaps just made, and about to be claimed
            with claimed(path, without_locks=False) as abandoned:
                if abandoned:
                    shutil.rmtree(path.parent, ignore_errors=True)
        except OSError:  # another user's, or gone meanwhile
            continue
