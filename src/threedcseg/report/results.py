"""Runs to report on: records of `3dcseg evaluate` under the names they have in the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from threedcseg.errors import InputError
from threedcseg.evaluation.protocols import EvaluationProtocol
from threedcseg.evaluation.record import EvaluationRecord, SequenceRecord


@dataclass(frozen=True)
class Run:
    """One evaluation.

    Attributes:
        name: unique within a report.
        path: the JSON file.
        record: its content.
    """

    name: str
    path: Path
    record: EvaluationRecord

    @property
    def protocol(self) -> EvaluationProtocol:
        return self.record.rules

    @property
    def sequences(self) -> dict[str, SequenceRecord]:
        """By name."""
        return self.record.sequences


def read_runs(paths: Sequence[Path], names: Sequence[str] | None = None) -> list[Run]:
    """The runs in JSON files, named by ``names`` or else after the files.

    Raises:
        InputError: a file is not a result of `3dcseg evaluate`, or names are too few or alike.
    """
    names = _names(paths) if names is None else names
    if len(names) != len(paths):
        raise InputError(f"{len(names)} names for {len(paths)} runs", "give one a run")
    alike = next((name for name in names if names.count(name) > 1 or not name), None)
    if alike is not None:
        raise InputError(f"several runs are named {alike!r}", "give different names with --names")
    records = map(EvaluationRecord.read, paths)
    return [Run(*run) for run in zip(names, paths, records, strict=True)]


def _names(paths: Sequence[Path]) -> list[str]:
    """The stems of files; with the folder's name before it where two are alike."""
    stems = [path.stem for path in paths]
    return [
        f"{path.resolve().parent.name}/{path.stem}" if stems.count(path.stem) > 1 else path.stem
        for path in paths
    ]
