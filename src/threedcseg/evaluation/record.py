"""The record of an evaluation: a JSON file with the figures and all that defines them.

docs/metrics.md describes the file.
"""

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, FiniteFloat, ValidationError, field_validator, model_validator

from threedcseg.atomic import replacing
from threedcseg.errors import InputError
from threedcseg.evaluation.protocols import PROTOCOLS, EvaluationProtocol
from threedcseg.evaluation.reading import ReadAs
from threedcseg.evaluation.results import Result, SequenceResult
from threedcseg.evaluation.scorer import ScoringSettings, in_words
from threedcseg.inference.settings import Settings
from threedcseg.outputs.record import MAX_RECORD, RecordPart, RunRecord, software
from threedcseg.reading import read_json

FAMILY = "3dcseg evaluation"
FORMAT: Literal["3dcseg evaluation 2"] = "3dcseg evaluation 2"

PROVENANCE = (
    "model",
    "weights_sha256",
    "precision",
    "runtime",
    *(field.name for field in fields(Settings)),
    "objects",
    "corrected",
    "software",
)
"""What is said of how the predictions were made; None where it is not known."""

_AGAIN = "evaluate again with 3dcseg evaluate --json"


class SequenceRecord(RecordPart):
    """The figures of one sequence; the fields are those of `SequenceResult`."""

    frames_counted: int
    resolution: tuple[int, int]
    missing: tuple[str, ...]
    figures: dict[str, FiniteFloat]
    objects: tuple[dict[str, int | FiniteFloat], ...] = ()
    frames: tuple[str, ...] = Field(min_length=1)
    counted: tuple[bool, ...]
    per_frame: dict[str, tuple[FiniteFloat | None, ...]]

    @classmethod
    def of(cls, result: SequenceResult) -> Self:
        """The record of a result."""
        return cls(
            frames_counted=result.num_frames,
            resolution=result.size,
            missing=result.missing,
            figures=result.figures,
            objects=result.objects,
            frames=result.frames,
            counted=result.counted,
            per_frame={name: tuple(values) for name, values in result.per_frame.items()},
        )

    @model_validator(mode="after")
    def _one_value_a_frame(self) -> Self:
        for name, values in {"counted": self.counted, **self.per_frame}.items():
            if len(values) != len(self.frames):
                raise ValueError(f"{name} has {len(values)} values for {len(self.frames)} frames")
        return self


class EvaluationRecord(RecordPart):
    """A result, what defines its figures, and how its predictions were made.

    Attributes:
        format: of the file.
        protocol: a key of `PROTOCOLS`; ``frames`` and ``averaging`` are its words.
        threshold, normalise: the `ScoringSettings`.
        read_as: what gray values in the files of predictions were taken for.
        probabilities: whether the maps in ``SEQ/probabilities`` were scored.
        ground_truth: its name; figures against different ground truths do not compare.
        predictions: their name, such as the folder's.
        frames_counted, frames_missing: how many the figures rest on; how many had no prediction.
        resolution: the sizes that frames have, ``(width, height)``.
        software: what scored.
        provenance: of the predictions, by the names in `PROVENANCE`.
        overall: the figures of all sequences.
        sequences: the figures of each.
    """

    format: Literal["3dcseg evaluation 2"] = FORMAT
    protocol: str
    frames: str
    averaging: str
    threshold: FiniteFloat
    normalise: bool
    read_as: ReadAs
    probabilities: bool
    ground_truth: str
    predictions: str
    frames_counted: int
    frames_missing: int
    resolution: tuple[tuple[int, int], ...]
    software: str
    provenance: dict[str, Any]
    overall: dict[str, FiniteFloat]
    sequences: dict[str, SequenceRecord] = Field(min_length=1)

    @classmethod
    def of(
        cls,
        result: Result,
        settings: ScoringSettings | None = None,
        *,
        ground_truth: str,
        predictions: str,
        read_as: ReadAs = "auto",
        probabilities: bool = False,
        provenance: dict[str, Any] | None = None,
    ) -> Self:
        """The record of a result that `score` gave with ``settings``."""
        settings, protocol = settings or ScoringSettings(), PROTOCOLS[result.protocol]
        return cls(
            protocol=protocol.name,
            frames=protocol.frames,
            averaging=protocol.averaging,
            threshold=settings.threshold,
            normalise=settings.normalise,
            read_as=read_as,
            probabilities=probabilities,
            ground_truth=ground_truth,
            predictions=predictions,
            frames_counted=result.num_frames,
            frames_missing=sum(len(sequence.missing) for sequence in result.sequences),
            resolution=tuple(sorted({sequence.size for sequence in result.sequences})),
            software=software(),
            provenance={name: (provenance or {}).get(name) for name in PROVENANCE},
            overall=result.overall,
            sequences={s.name: SequenceRecord.of(s) for s in result.sequences},
        )

    @field_validator("protocol")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in PROTOCOLS:
            raise ValueError(f"unknown protocol {name!r}; there are {', '.join(PROTOCOLS)}")
        return name

    @model_validator(mode="after")
    def _has_all_figures(self) -> Self:
        for name, found in (
            ("overall", self.overall),
            *((f"sequences.{n}.figures", s.figures) for n, s in self.sequences.items()),
        ):
            for figure in self.rules.figures:
                if figure.name not in found:
                    raise ValueError(f"{name}: no {figure.name}")
        return self

    @property
    def rules(self) -> EvaluationProtocol:
        """The protocol itself."""
        return PROTOCOLS[self.protocol]

    def terms(self) -> list[tuple[str, str]]:
        """What the figures rest on, and how the predictions were made, in words."""
        how = [
            ("predicted by" if name == "software" else name.replace("_", " "), _words(value))
            for name, value in self.provenance.items()
            if value is not None or name in ("model", "weights_sha256")
        ]
        known = any(value is not None for value in self.provenance.values())
        settings = ScoringSettings(self.threshold, self.normalise)
        missing = self.frames_missing
        return [
            ("protocol", self.protocol),
            ("ground truth", self.ground_truth),
            ("predictions", self.predictions),
            ("frames", f"{self.frames_counted}: {self.frames}"),
            ("missing", f"{missing}, counted as empty" if missing else "none"),
            ("mean over", self.averaging),
            ("binarisation", self.rules.describe_binarisation(settings)),
            ("resolution", ", ".join(map(in_words, self.resolution))),
            ("scored by", self.software),
            *(how if known else [("made by", "not recorded")]),
        ]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The record in a file; raises `InputError` for any other file."""
        try:
            content = read_json(path, MAX_RECORD)
        except OSError as error:
            raise InputError(
                f"{path}: {error.strerror}", "give a JSON of 3dcseg evaluate"
            ) from None
        except InputError as error:
            raise InputError(error.what, "give what 3dcseg evaluate --json wrote") from None
        if not _is_record(content):
            raise InputError(f"{path} is no record of an evaluation", _AGAIN)
        if content["format"] != FORMAT:
            raise InputError(
                f"{path} is in the format {content['format']!r}, and this version reads {FORMAT!r}",
                _AGAIN,
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            what = f"{place}: {first['msg']}" if place else first["msg"]
            raise InputError(f"{path} is not whole ({what})", _AGAIN) from None

    def write(self, path: Path) -> None:
        """Write the record as JSON, whole or not at all; raises as `check_writable`."""
        check_writable(path)
        text = json.dumps(self.model_dump(), indent=1, ensure_ascii=False, allow_nan=False)
        with replacing(path, sweep=True) as temporary:
            temporary.write_text(text + "\n", "utf-8")


def check_writable(path: Path) -> None:
    """Raise `InputError` if the folder is missing or ``path`` is anything but a former record."""
    if path.exists() and not is_evaluation(path):
        raise InputError(f"{path} exists and is no evaluation", "give another name")
    if not path.parent.is_dir():
        raise InputError(f"{path}: no such folder {path.parent}", "make it, or give another name")


def is_evaluation(path: Path) -> bool:
    """Whether a file is a record, of whichever version."""
    try:
        return _is_record(read_json(path, MAX_RECORD))
    except (OSError, InputError):
        return False


def _is_record(content: Any) -> bool:
    return isinstance(content, dict) and str(content.get("format")).startswith(f"{FAMILY} ")


def read_provenance(folders: Iterable[Path]) -> dict[str, Any]:
    """What the completion records (``3dcseg.json``) in folders of predictions say, by `PROVENANCE`.

    A value is None where no record has it, and a list where the folders differ.
    """
    values: dict[str, list[Any]] = {name: [] for name in PROVENANCE}
    for folder in folders:
        run = RunRecord.read(folder)
        record: dict[str, Any] = {}
        if run is not None:
            record = {**run.settings, **dict(run.provenance), "software": run.software}
            record["objects"] = str(run.choice) or None
            record["corrected"] = "by hand, in part" if run.corrected else None
        for name, seen in values.items():
            if record.get(name) not in seen:
                seen.append(record.get(name))
    return {name: seen[0] if len(seen) == 1 else (seen or None) for name, seen in values.items()}


def _words(value: Any) -> str:
    if isinstance(value, list):
        return "differs: " + ", ".join(map(_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not recorded" if value is None else str(value)
