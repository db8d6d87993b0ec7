"""Files that appear only when they are whole, and claims that end with their process."""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PART_SUFFIX = ".3dcseg-part"


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path in the folder of ``path``, renamed to ``path`` when the block ends.

    If the block raises, the temporary file is deleted and ``path`` is left as it was.

    >>> with replacing("masks/00000.png") as temporary:  # doctest: +SKIP
    ...     temporary.write_bytes(png)
    """
    path = Path(path)
    temporary = part_of(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """A new, hidden name beside ``path``, for what is to become ``path``."""
    return path.with_name(f".{path.stem[:40]}-{secrets.token_hex(4)}{PART_SUFFIX}")


@contextmanager
def claimed(path: Path, *, without_locks: bool = True) -> Iterator[bool]:
    """Whether this process alone holds the claim ``path`` until the block ends.

    The claim is a file with a lock, which the system takes back when the process ends, however it
    ends; the holder removes the file. ``without_locks`` is the answer where the system has no
    locks: on Windows, and on some file systems.
    """
    with ExitStack() as stack:
        while True:
            file = stack.enter_context(path.open("a"))
            if not _lock(file.fileno(), without_locks):
                yield False
                return
            if _is_same(path, file.fileno()):
                break  # else its last holder has removed it meanwhile
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)


def _is_same(path: Path, descriptor: int) -> bool:
    return path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor))


def _lock(descriptor: int, without_locks: bool) -> bool:
    if fcntl is None:
        return without_locks
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return without_locks
    return True
