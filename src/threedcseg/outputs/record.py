"""The record of a run: a folder of results is whole if, and only if, ``3dcseg.json`` is in it.

Until then the same record, of what is being written, stands there as ``.3dcseg-unfinished``. It
is one file under one of two names, so that no moment shows both or neither, and it alone says which
files the next run may clear away.
"""

import json
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from threedcseg.atomic import PART_SUFFIX, replacing
from threedcseg.errors import InputError
from threedcseg.outputs.formats import FRAME
from threedcseg.outputs.rendering import Rendering

RECORD_NAME = "3dcseg.json"
UNFINISHED_NAME = ".3dcseg-unfinished"


def _below(name: str) -> str:
    """Of a record that somebody else made, no file outside its folder is believed."""
    path = Path(name)
    if path.is_absolute() or not path.name or ".." in path.parts or FRAME in str(path.parent):
        raise ValueError(f"{name!r} is not the name of a file below the record")
    return name


FileName = Annotated[str, AfterValidator(_below)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Provenance(_Part):
    """The network that made the masks; None where it is not known."""

    model: str | None = None
    weights: str | None = None
    weights_sha256: str | None = None
    precision: str | None = None
    runtime: str | None = None


class ShotRecord(_Part):
    """From which frame on, and how it was segmented where that may differ from the settings."""

    first_frame: int
    stride: int


class DelayRecord(_Part):
    """How far masks came behind a live source; milliseconds."""

    max_frames: int
    max_ms: float
    mean_ms: float


class LiveRecord(_Part):
    """How a run on a live source went; see `threedcseg.video.live.LiveSource`."""

    stopped: bool
    ended_by: str | None
    when_behind: str
    queue: int
    num_read: int
    num_dropped: int
    delay: DelayRecord


class RunTerms(_Part):
    """What is asked of a run: results of the same source by the same terms are the same.

    Attributes:
        outputs: names of formats, with the files each of them writes; ``*`` stands for the names
            of the frames.
        rendering: rendering options.
        settings: those of the prediction, by name.
        provenance: the network.
    """

    outputs: dict[str, tuple[FileName, ...]]
    rendering: Rendering = Rendering()
    settings: dict[str, JsonValue] = {}
    provenance: Provenance = Provenance()


class RunRecord(RunTerms):
    """What a run did, or is about to do.

    Attributes:
        source: as it was given; of live sources without a password.
        size: width and height in pixels.
        num_frames: that were segmented.
        shots: as they were segmented.
        frame_names: of a folder's frames; None where they are numbered.
        live: of live sources only.
    """

    format: Literal["3dcseg run 1"] = "3dcseg run 1"
    source: str
    size: tuple[int, int]
    num_frames: int = 0
    shots: tuple[ShotRecord, ...] = ()
    frame_names: tuple[FileName, ...] | None = None
    live: LiveRecord | None = None
    software: str = Field(
        default_factory=lambda: (
            f"threedcseg {version('threedcseg')}, Python {platform.python_version()}"
        )
    )

    @classmethod
    def read(cls, folder: str | Path) -> Self | None:
        """That of a finished run; None if there is none, or none that this version understands."""
        return cls._read(Path(folder) / RECORD_NAME)

    @classmethod
    def _read(cls, path: Path) -> Self | None:
        try:
            return cls.model_validate(json.loads(path.read_text("utf-8")))
        except (FileNotFoundError, NotADirectoryError, ValueError):  # also pydantic's errors
            return None

    @property
    def cuts(self) -> tuple[int, ...]:
        """The frames that begin a new shot, but the first one."""
        return tuple(shot.first_frame for shot in self.shots[1:])

    def fulfils(self, source: str, terms: RunTerms) -> bool:
        """Whether it is of this source, and by these terms."""
        return source == self.source and all(
            getattr(self, name) == getattr(terms, name) for name in RunTerms.model_fields
        )

    def begin(self, folder: str | Path) -> None:
        """Make ``folder`` ready for this run, and mark it as unfinished until `finish`.

        What an earlier run wrote, finished or not, is removed, so that no stale frame stays among
        new ones; its record says what that is, and nothing else is touched. Raises `InputError`
        where a file would be replaced that is not of such a run.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        unfinished, finished = folder / UNFINISHED_NAME, folder / RECORD_NAME
        earlier = self._read(finished if finished.exists() else unfinished)
        if found := self._in_the_way(folder, earlier):
            raise InputError(
                f"{folder} already holds {found}, and no record says that 3dcseg wrote it",
                "give another output folder, or move it elsewhere",
            )
        if earlier is not None:
            if finished.exists():
                os.replace(finished, unfinished)
            for place, is_ours in earlier._places(folder):
                _remove(place, is_ours)
                if place != folder:
                    with suppress(OSError):  # where the user has put something in it
                        place.rmdir()
        _remove(folder, lambda name: False)
        self._write(unfinished)

    def _in_the_way(self, folder: Path, earlier: Self | None) -> str | None:
        """A file that is not of the ``earlier`` run, in a folder without one, or to be replaced."""
        if earlier is None:
            return next((f.name for f in folder.iterdir() if not f.name.startswith(".")), None)
        written = list(earlier._places(folder))
        for place, is_to_write in self._places(folder):
            before = [is_theirs for where, is_theirs in written if where == place]
            with os.scandir(place) as entries:
                for entry in entries:
                    if is_to_write(entry.name) and not any(i(entry.name) for i in before):
                        return str(Path(entry.path).relative_to(folder))
        return None

    def finish(self, folder: str | Path) -> None:
        """Write the record; the last thing a run does."""
        unfinished = Path(folder) / UNFINISHED_NAME
        self._write(unfinished)
        os.replace(unfinished, Path(folder) / RECORD_NAME)

    def _write(self, path: Path) -> None:
        text = json.dumps(self.model_dump(), indent=2, ensure_ascii=False) + "\n"
        with replacing(path) as temporary:
            # Names may hold bytes that are not UTF-8; this makes escapes of JSON of them.
            temporary.write_bytes(text.encode("utf-8", "backslashreplace"))

    def _places(self, folder: Path) -> Iterator[tuple[Path, Callable[[str], bool]]]:
        """Each folder that the run writes to, and which names there are its own; no folder behind a
        link, which leads elsewhere."""
        for pattern in {name for files in self.outputs.values() for name in files}:
            *parents, name = Path(pattern).parts
            places = [folder.joinpath(*parents[: i + 1]) for i in range(len(parents))]
            if not any(place.is_symlink() or not place.is_dir() for place in places):
                yield folder.joinpath(*parents), self._names(name)

    def _names(self, pattern: str) -> Callable[[str], bool]:
        """Whether a file of that name may be one of a pattern: a name, or one for each frame."""
        if FRAME not in pattern:
            return pattern.__eq__
        before, _, after = pattern.partition(FRAME)
        named = None if self.frame_names is None else frozenset(self.frame_names)
        # How many there are is not known of a run that was stopped; live ones may leave some out.
        last = self.num_frames if self.num_frames and self.live is None else sys.maxsize

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
