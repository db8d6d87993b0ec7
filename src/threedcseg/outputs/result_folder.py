"""A folder of results, which is whole if, and only if, ``3dcseg.json`` is in it.

Until then the record of what is being written stands there as ``.3dcseg-unfinished``. It is one
file under one of two names, so that no moment shows both or neither, and it alone says which files
the next run may clear away.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from threedcseg.atomic import PART_SUFFIX
from threedcseg.errors import InputError
from threedcseg.outputs.formats import FRAME
from threedcseg.outputs.record import RECORD_NAME, RunRecord

UNFINISHED_NAME = ".3dcseg-unfinished"


def begin_run(folder: Path, record: RunRecord) -> None:
    """Make ``folder`` ready for a run, and mark it as unfinished until `finish_run`.

    What an earlier run wrote, finished or not, is removed, so that no stale frame stays among
    new ones; its record says what that is, and nothing else is touched. Raises `InputError`
    where a file would be replaced that is not of such a run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unfinished, finished = folder / UNFINISHED_NAME, folder / RECORD_NAME
    earlier = RunRecord.load(finished if finished.exists() else unfinished)
    if found := _in_the_way(folder, record, earlier):
        raise InputError(
            f"{folder} already holds {found}, and no record says that 3dcseg wrote it",
            "give another output folder, or move it elsewhere",
        )
    if earlier is not None:
        if finished.exists():
            os.replace(finished, unfinished)
        for place, is_ours in _places(folder, earlier):
            _remove(place, is_ours)
            if place != folder:
                with suppress(OSError):  # where the user has put something in it
                    place.rmdir()
    _remove(folder, lambda name: False)
    record.write(unfinished)


def finish_run(folder: Path, record: RunRecord) -> None:
    """Write the record; the last thing a run does."""
    record.write(folder / UNFINISHED_NAME)
    os.replace(folder / UNFINISHED_NAME, folder / RECORD_NAME)


def _in_the_way(folder: Path, record: RunRecord, earlier: RunRecord | None) -> str | None:
    """A file that is not of the ``earlier`` run, in a folder without one, or to be replaced."""
    if earlier is None:
        return next((f.name for f in folder.iterdir() if not f.name.startswith(".")), None)
    written = list(_places(folder, earlier))
    for place, is_to_write in _places(folder, record):
        before = [is_theirs for where, is_theirs in written if where == place]
        with os.scandir(place) as entries:
            for entry in entries:
                if is_to_write(entry.name) and not any(i(entry.name) for i in before):
                    return str(Path(entry.path).relative_to(folder))
    return None


def _places(folder: Path, record: RunRecord) -> Iterator[tuple[Path, Callable[[str], bool]]]:
    """Each folder that the run writes to, and which names there are its own; no folder behind a
    link, which leads elsewhere."""
    for pattern in {name for files in record.outputs.values() for name in files}:
        *parents, name = Path(pattern).parts
        places = [folder.joinpath(*parents[: i + 1]) for i in range(len(parents))]
        if not any(place.is_symlink() or not place.is_dir() for place in places):
            yield folder.joinpath(*parents), _names(record, name)


def _names(record: RunRecord, pattern: str) -> Callable[[str], bool]:
    """Whether a file of that name may be one of a pattern: a name, or one for each frame."""
    if FRAME not in pattern:
        return pattern.__eq__
    before, _, after = pattern.partition(FRAME)
    named = None if record.frame_names is None else frozenset(record.frame_names)
    # How many there are is not known of a run that was stopped; live ones may leave some out.
    last = record.num_frames if record.num_frames and record.live is None else sys.maxsize

    def is_one(file: str) -> bool:
        if not (file.startswith(before) and file.endswith(after)):
            return False
        frame = file[len(before) : len(file) - len(after)]
        if named is not None:
            return frame in named
        return re.fullmatch(r"[0-9]{5,18}", frame) is not None and int(frame) < last

    return is_one


def _remove(place: Path, is_ours: Callable[[str], bool]) -> None:
    with os.scandir(place) as entries:  # one at a time, of which there may be very many
        for entry in entries:
            part = entry.name.startswith(".") and entry.name.endswith(PART_SUFFIX)
            if (part or is_ours(entry.name)) and not entry.is_dir(follow_symlinks=False):
                Path(entry.path).unlink(missing_ok=True)
