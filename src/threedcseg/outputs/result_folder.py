"""A folder of results: what ``3dcseg.json`` lists is whole, and nothing else is.

What a run is writing is listed in ``.3dcseg-unfinished`` until it ends. These two alone say which
files the next run may clear away.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from threedcseg.atomic import PART_SUFFIX, claimed
from threedcseg.errors import InputError
from threedcseg.outputs.formats import FRAME
from threedcseg.outputs.record import RECORD_NAME, RunRecord, RunTerms
from threedcseg.video.paths import list_images

UNFINISHED_NAME = ".3dcseg-unfinished"


class FolderInUse(InputError):
    """Another run is writing into the folder."""


@contextmanager
def claimed_folder(folder: Path) -> Iterator[None]:
    """The folder is this run's alone until the block ends; raises `FolderInUse` where it cannot be.

    The claim lies beside the folder, which need not be there yet.
    """
    place = Path(os.path.realpath(folder))  # which gives an answer for links in a circle, too
    with ExitStack() as stack:
        with suppress(PermissionError):  # only the folder itself may be written: without a claim
            place.parent.mkdir(parents=True, exist_ok=True)
            if not stack.enter_context(claimed(place.with_name(f".{place.name}.claim"))):
                raise FolderInUse(
                    f"{folder} is being written by another run", "wait for it, or give another"
                )
        yield


def check_apart(path: Path, folder: Path) -> None:
    """Never write among, or clear away, the files that are read, also where links lead to them."""
    ours = Path(os.path.realpath(folder))
    for read in (path, *(list_images(path) if path.is_dir() else ())):
        place = Path(os.path.realpath(read))
        if ours in (place, *place.parents):
            raise InputError(
                f"{read} lies in the output folder {folder}, where the results would replace it",
                "give another output folder",
            )


def kept_outputs(folder: Path, terms: RunTerms, redo: bool) -> dict[str, tuple[str, ...]]:
    """The outputs in ``folder`` that a run by ``terms`` would make likewise: they may stay.

    ``redo``: whatever ``terms`` name is not among them. Raises `InputError` for results of another
    source, which would be lost, unless they are to be replaced by ``redo``.
    """
    record = RunRecord.read(folder)
    for earlier in (record, RunRecord.load(folder / UNFINISHED_NAME)):
        if earlier is not None and not redo and not terms.is_of_source(earlier):
            raise InputError(
                f"{folder} holds results of {earlier.source}{earlier.part}, not of {terms.source}"
                f"{terms.part}",
                "give another output folder, or --redo to replace them",
            )
    if record is None:
        return {}
    if record.live is not None and not redo:
        raise InputError(
            f"{folder} holds results of {record.source}, which was live and cannot be had again",
            "give another output folder, or --redo to replace them",
        )
    return {
        name: files
        for name, files in record.outputs.items()
        if terms.makes(name, record)
        and not (redo and name in terms.outputs)
        and _is_whole(folder, record, name)
    }


def begin_run(folder: Path, record: RunRecord, kept: Sequence[str] = ()) -> None:
    """Make ``folder`` ready for a run that writes the outputs of ``record``, until `finish_run`.

    What earlier runs wrote, but for the outputs that are ``kept``, is removed, so that no stale
    frame stays among new ones; their records say what that is, and nothing else is touched. Raises
    `InputError` where a file would be replaced that is not of such a run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for place in [place for pattern in _patterns(record) for place in _above(folder, pattern)]:
        if place.is_symlink():
            raise InputError(
                f"{place} is a link to another folder, whose files might be replaced",
                "remove it, or give another output folder",
            )
    finished, broken_off = RunRecord.read(folder), RunRecord.load(folder / UNFINISHED_NAME)
    if found := _in_the_way(folder, record, [each for each in (finished, broken_off) if each]):
        raise InputError(
            f"{folder} already holds {found}, and no record says that 3dcseg wrote it",
            "give another output folder, or move it elsewhere",
        )
    if broken_off is not None:
        _clear(folder, _only(broken_off, lambda name: not finished or name not in finished.outputs))
    if finished is not None and any(name not in kept for name in finished.outputs):
        stale = _only(finished, lambda name: name not in kept)
        if kept:
            stale.write(folder / UNFINISHED_NAME)
            _only(finished, lambda name: name in kept).write(folder / RECORD_NAME)
        else:  # at no moment there are both or neither
            os.replace(folder / RECORD_NAME, folder / UNFINISHED_NAME)
        _clear(folder, stale)
    _remove(folder, lambda name: False)
    record.write(folder / UNFINISHED_NAME)


def finish_run(folder: Path, record: RunRecord) -> None:
    """Write the record, of all that the folder holds now; the last thing a run does."""
    record.write(folder / UNFINISHED_NAME)
    os.replace(folder / UNFINISHED_NAME, folder / RECORD_NAME)


def _only(record: RunRecord, which: Callable[[str], bool]) -> RunRecord:
    outputs = {name: files for name, files in record.outputs.items() if which(name)}
    return record.model_copy(update={"outputs": outputs})


def _is_whole(folder: Path, record: RunRecord, output: str) -> bool:
    """Whether all files of an output are there: one of each name, or one for each frame."""
    places = list(_places(folder, _only(record, lambda name: name == output)))
    needed = sum(record.num_frames if FRAME in name else 1 for name in record.outputs[output])
    there = 0
    for place, is_ours in places:
        with os.scandir(place) as entries:
            there += sum(is_ours(entry.name) for entry in entries)
    return there >= needed


def _in_the_way(folder: Path, record: RunRecord, earlier: Sequence[RunRecord]) -> str | None:
    """A file that is of no ``earlier`` run, in a folder without one, or to be replaced."""
    if not earlier:
        return next((f.name for f in folder.iterdir() if not f.name.startswith(".")), None)
    written = [place for each in earlier for place in _places(folder, each)]
    for place, is_to_write in _places(folder, record):
        before = [is_theirs for where, is_theirs in written if where == place]
        with os.scandir(place) as entries:
            for entry in entries:
                if is_to_write(entry.name) and not any(i(entry.name) for i in before):
                    return str(Path(entry.path).relative_to(folder))
    return None


def _clear(folder: Path, record: RunRecord) -> None:
    """Remove what the record lists."""
    for place, is_ours in _places(folder, record):
        _remove(place, is_ours)
        if place != folder:
            with suppress(OSError):  # where the user has put something in it
                place.rmdir()


def _places(folder: Path, record: RunRecord) -> Iterator[tuple[Path, Callable[[str], bool]]]:
    """Each folder that the run writes to, and which names there are its own; no folder behind a
    link, which leads elsewhere."""
    for pattern in _patterns(record):
        places = _above(folder, pattern)
        if not any(place.is_symlink() or not place.is_dir() for place in places):
            yield folder / Path(pattern).parent, _names(record, Path(pattern).name)


def _patterns(record: RunRecord) -> set[str]:
    return {name for files in record.outputs.values() for name in files}


def _above(folder: Path, pattern: str) -> list[Path]:
    """The folders between ``folder`` and a file."""
    return [folder / place for place in Path(pattern).parents if place.name]


def _names(record: RunRecord, pattern: str) -> Callable[[str], bool]:
    """Whether a file of that name may be one of a pattern: a name, or one for each frame."""
    if FRAME not in pattern:
        return pattern.__eq__
    before, _, after = pattern.partition(FRAME)
    named = None if record.frame_names is None else frozenset(record.frame_names)
    # How many there are is not known of a run that was stopped; live and damaged ones have gaps.
    known = record.num_frames and record.live is None and record.damage is None
    numbers = range(
        record.first_frame, record.first_frame + record.num_frames if known else sys.maxsize
    )

    def is_one(file: str) -> bool:
        if not (file.startswith(before) and file.endswith(after)):
            return False
        frame = file[len(before) : len(file) - len(after)]
        if named is not None:
            return frame in named
        return re.fullmatch(r"[0-9]{5,18}", frame) is not None and int(frame) in numbers

    return is_one


def _remove(place: Path, is_ours: Callable[[str], bool]) -> None:
    with os.scandir(place) as entries:  # one at a time, of which there may be very many
        for entry in entries:
            part = entry.name.startswith(".") and entry.name.endswith(PART_SUFFIX)
            if (part or is_ours(entry.name)) and not entry.is_dir(follow_symlinks=False):
                Path(entry.path).unlink(missing_ok=True)
