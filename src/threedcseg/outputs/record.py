"""The record of a run: what was asked for, what was done, and which files were written."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from threedcseg.atomic import replacing
from threedcseg.outputs.choice import Chosen, ObjectChoice
from threedcseg.outputs.doubt import DoubtfulFrames
from threedcseg.outputs.formats import EVERY_OPTION, FORMATS, FRAME
from threedcseg.outputs.rendering import Rendering
from threedcseg.reading import read_json
from threedcseg.video.damage import Damage

RECORD_NAME = "3dcseg.json"
MAX_RECORD = 256 << 20  # bytes; of a folder of frames it lists the names


def _below(name: str) -> str:
    """Of a record that somebody else made, no file outside its folder is believed."""
    path = Path(name)
    if path.is_absolute() or not path.name or ".." in path.parts or FRAME in str(path.parent):
        raise ValueError(f"{name!r} is not the name of a file below the record")
    return name


FileName = Annotated[str, AfterValidator(_below)]


def software() -> str:
    """This program and the Python it runs on."""
    return f"threedcseg {version('threedcseg')}, Python {platform.python_version()}"


class RecordPart(BaseModel):
    """What records are made of: values that do not change, under names that are known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Provenance(RecordPart):
    """The network that made the masks; None where it is not known."""

    model: str | None = None
    weights: str | None = None
    weights_sha256: str | None = None
    precision: str | None = None
    runtime: str | None = None


class ShotRecord(RecordPart):
    """From which frame on, and how it was segmented where that may differ from the settings."""

    first_frame: int
    stride: int


class DelayRecord(RecordPart):
    """How far masks came behind a live source; milliseconds."""

    max_frames: int
    max_ms: float
    mean_ms: float


class LiveRecord(RecordPart):
    """How a run on a live source went; see `threedcseg.video.live.LiveSource`. ``pixel_format`` is
    of raw frames."""

    stopped: bool
    ended_by: str | None
    when_behind: str
    queue: int
    pixel_format: str | None = None
    num_read: int
    num_dropped: int
    delay: DelayRecord


class RunTerms(RecordPart):
    """What is asked of a run: results by the same terms are the same.

    Attributes:
        source: a file or folder by its whole path, anything else as it was given; of live sources
            without a password.
        source_digest: of what a file or folder holds; None for anything else.
        outputs: names of formats, with the files each of them writes; ``*`` stands for the names
            of the frames.
        rendering: rendering options.
        settings: those of the prediction, by name.
        provenance: the network.
        reading: how the source was read: ``fps`` of a folder or of raw frames, ``deinterlace``, and
            ``start`` and ``end`` of the part, if it was not the whole.
        choice: the objects that were pointed at.
        corrected: where corrected masks were taken from, and a digest of them.
    """

    source: str
    source_digest: str | None = None
    outputs: dict[str, tuple[FileName, ...]]
    rendering: Rendering = Rendering()
    settings: dict[str, JsonValue] = {}
    provenance: Provenance = Provenance()
    reading: dict[str, JsonValue] = {}
    choice: ObjectChoice = ObjectChoice()
    corrected: tuple[str, str] | None = None

    def is_of_source(self, other: "RunTerms") -> bool:
        """Whether both are of one source: of one path, or wherever it lies, with one content; and
        of the same part of it."""
        same = self.source_digest is not None and self.source_digest == other.source_digest
        return (same or self.source == other.source) and self.part == other.part

    @property
    def part(self) -> str:
        """`` from START to END``, in words; empty for the whole."""
        both = {"from": self.reading.get("start"), "to": self.reading.get("end")}
        return "".join(f" {word} {time}" for word, time in both.items() if time is not None)

    def makes(self, output: str, other: "RunTerms") -> bool:
        """Whether a run by these terms would make of ``output`` what one by ``other`` made.

        Nothing is known of networks without the hash of their weights, nor of live sources, which
        have no digest.
        """
        drawn_by = FORMATS[output].drawn_by if output in FORMATS else EVERY_OPTION
        return (
            self.source_digest is not None
            and self.source_digest == other.source_digest
            and self.provenance.weights_sha256 is not None
            and self.provenance == other.provenance
            and self.settings == other.settings
            and self.reading == other.reading
            and self.choice == other.choice
            and (self.corrected or ("", ""))[1] == (other.corrected or ("", ""))[1]
            and all(getattr(self.rendering, n) == getattr(other.rendering, n) for n in drawn_by)
        )


class RunRecord(RunTerms):
    """What a run did, or is about to do.

    Attributes:
        size: width and height in pixels.
        num_frames: that were segmented.
        first_frame: the number of the first of them in the source.
        shots: as they were segmented.
        doubtful: frames that somebody should look at; see `DoubtMeter`.
        frame_names: of a folder's frames; None where they are numbered.
        live: of live sources only.
        damage: what of the source could not be read; None: nothing.
        chosen: the numbers of the objects that ``choice`` meant.
    """

    format: Literal["3dcseg run 1"] = "3dcseg run 1"
    size: tuple[int, int]
    num_frames: int = 0
    first_frame: int = 0
    shots: tuple[ShotRecord, ...] = ()
    doubtful: tuple[DoubtfulFrames, ...] = ()
    frame_names: tuple[FileName, ...] | None = None
    live: LiveRecord | None = None
    damage: Damage | None = None
    chosen: Chosen | None = None
    software: str = Field(default_factory=software)

    @classmethod
    def read(cls, folder: str | Path) -> Self | None:
        """That of a finished run; None if there is none, or none that this version understands."""
        return cls.load(Path(folder) / RECORD_NAME)

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """What `write` wrote; None as for `read`."""
        try:
            return cls.model_validate(read_json(path, MAX_RECORD))
        except (FileNotFoundError, NotADirectoryError, ValueError):  # also `InputError`, pydantic's
            return None

    @property
    def cuts(self) -> tuple[int, ...]:
        """The frames that begin a new shot, but the first one."""
        return tuple(shot.first_frame for shot in self.shots[1:])

    def write(self, path: Path) -> None:
        """Write it as JSON, under its name when whole."""
        facts = {"format": self.format, **self.model_dump()}  # this first
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        with replacing(path) as temporary:
            # Names may hold bytes that are not UTF-8; this makes escapes of JSON of them.
            temporary.write_bytes(text.encode("utf-8", "backslashreplace"))
