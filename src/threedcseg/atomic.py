"""Files that appear only when they are whole, and claims that end with their process.

Nothing is written through a link that lies where a file of ours should: temporary files are new
ones, claims and logs are refused there, and renaming replaces a link itself.
"""

import glob
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from threedcseg.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PART_SUFFIX = ".3dcseg-part"
_CLAIM = "in-use"
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


@contextmanager
def replacing(path: str | Path, *, sweep: bool = False) -> Iterator[Path]:
    """A temporary path in the folder of ``path``, renamed to ``path`` when the block ends.

    The file is there already, empty. If the block raises, it is deleted and ``path`` is left as it
    was. ``sweep``: first remove what killed processes left of ``path``, which takes a look at the
    whole folder; results of videos are swept by their record.

    >>> with replacing("masks/00000.png") as temporary:  # doctest: +SKIP
    ...     temporary.write_bytes(png)
    """
    path = Path(path)
    if sweep:
        _sweep(path)
    temporary = path.with_name(f"{_beginning(path)}{secrets.token_hex(4)}{PART_SUFFIX}")
    new, is_ours = None, True
    try:  # a signal may come as soon as the file is there
        try:
            new = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, 0o666)
        except FileExistsError:
            is_ours = False
            raise
        if sweep:
            _lock(new, without_locks=True)  # until this process ends, or the block
        yield temporary
        os.replace(temporary, path)
    except OSError as error:  # that of a full disk names no file, or the temporary one
        ours = error.filename in (None, str(temporary), str(temporary.absolute()))
        if not ours or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        if new is not None:
            os.close(new)
        if is_ours:
            temporary.unlink(missing_ok=True)


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """A new folder in ``parent``, readable by this user alone, removed at the end of the block.

    ``name`` is how it begins. What killed processes left of that name is removed first: their
    claims have ended with them.
    """
    for claim in parent.glob(f"{glob.escape(name)}*{PART_SUFFIX}/{_CLAIM}"):
        with suppress(OSError, InputError), claimed(claim, without_locks=False) as abandoned:
            if abandoned and not claim.parent.is_symlink():  # another user's fail, or are gone
                shutil.rmtree(claim.parent, ignore_errors=True)
    while True:
        folder = Path(tempfile.mkdtemp(PART_SUFFIX, name, parent))  # mode 700
        try:
            with claimed(folder / _CLAIM) as ours:
                if ours:  # else another process takes it for abandoned
                    yield folder
                    return
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def claimed(path: Path, *, without_locks: bool = True) -> Iterator[bool]:
    """Whether this process alone holds the claim ``path`` until the block ends.

    The claim is a file with a lock, which the system takes back when the process ends, however it
    ends; the holder removes the file. ``without_locks`` is the answer where the system has no
    locks: on Windows, and on some file systems. Raises `InputError` where ``path`` is a link.
    """
    with ExitStack() as stack:
        while True:
            if path.is_symlink():
                raise InputError(f"{path} is a link, expected none or a claim", "remove it")
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
            stack.callback(os.close, descriptor)
            if not _lock(descriptor, without_locks):
                yield False
                return
            if _is_same(path, descriptor):
                break  # else its last holder has removed it meanwhile
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)


def no_link(path: str, flags: int) -> int:
    """An ``opener`` for `open`: `OSError` where ``path`` is a link."""
    return os.open(path, flags | _NO_LINK, 0o666)


def _beginning(path: Path) -> str:
    return f".{path.stem[:40]}-"


def _sweep(path: Path) -> None:
    """Remove the temporary files of ``path`` that no living process writes to."""
    for part in path.parent.glob(f"{glob.escape(_beginning(path))}????????{PART_SUFFIX}"):
        with suppress(OSError):
            descriptor = os.open(part, os.O_RDWR | _NO_LINK)
            try:
                if _lock(descriptor, without_locks=False):
                    part.unlink()
            finally:
                os.close(descriptor)


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
