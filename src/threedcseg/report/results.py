"""Results of `3dcseg evaluate`, read back from their JSON files (docs/metrics.md)."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threedcseg.errors import InputError
from threedcseg.evaluation.protocols import PROTOCOLS, Protocol
from threedcseg.evaluation.record import FORMAT
from threedcseg.metrics.maps import THRESHOLD


@dataclass(frozen=True)
class Run:
    """One evaluation, under the name it has in the report.

    Attributes:
        name: unique within a report.
        path: the JSON file.
        record: its content, as `metrics.record.evaluation_record` makes it.
    """

    name: str
    path: Path
    record: Mapping[str, Any]

    @property
    def protocol(self) -> Protocol:
        return PROTOCOLS[self.record["protocol"]]

    @property
    def sequences(self) -> Mapping[str, Any]:
        """By name: ``frames_counted``, ``figures``, ``per_frame``."""
        found: Mapping[str, Any] = self.record["sequences"]
        return found

    @property
    def threshold(self) -> float:
        """Foreground is where the probability is above it."""
        said = re.search(r"p > ([\d.]+)", self.record["binarisation"])
        return float(said[1]) if said else THRESHOLD


def read_runs(paths: Sequence[Path], names: Sequence[str] | None = None) -> list[Run]:
    """The runs in JSON files, named by ``names`` or else after the files.

    Raises:
        InputError: a file is not a result of `3dcseg evaluate`, or names are too few or alike.
    """
    names = _names(paths) if names is None else names
    if len(names) != len(paths):
        raise InputError(f"{len(names)} names for {len(paths)} runs: give one a run")
    alike = next((name for name in names if names.count(name) > 1 or not name), None)
    if alike is not None:
        raise InputError(f"several runs are named {alike!r}: give different names with --names")
    return [_read(path, name) for path, name in zip(paths, names, strict=True)]


def _names(paths: Sequence[Path]) -> list[str]:
    """The stems of files; with the folder's name before it where two are alike."""
    stems = [path.stem for path in paths]
    return [
        f"{path.resolve().parent.name}/{path.stem}" if stems.count(path.stem) > 1 else path.stem
        for path in paths
    ]


def _read(path: Path, name: str) -> Run:
    try:
        record = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a JSON of 3dcseg evaluate") from None
    except ValueError:
        raise InputError(f"{path} is no JSON; give what 3dcseg evaluate --json wrote") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise InputError(f"{path} is no result ({FORMAT!r}): make one with 3dcseg evaluate --json")
    if record.get("protocol") not in PROTOCOLS:
        raise InputError(
            f"{path}: unknown protocol {record.get('protocol')!r}; there are {', '.join(PROTOCOLS)}"
        )
    run = Run(name, path, record)
    if not _is_whole(run):
        raise InputError(f"{path}: parts of the result are missing; score again with this version")
    return run


_TERMS = ("frames", "averaging", "binarisation", "ground_truth", "predictions", "software")


def _is_whole(run: Run) -> bool:
    """Whether all that a report shows is there, and of the right kind."""
    try:
        headline = run.protocol.headline
        texts = all(isinstance(run.record[term], str) for term in _TERMS)
        counts = all(
            isinstance(run.record[f"frames_{what}"], int) for what in ("counted", "missing")
        )
        overall = all(isinstance(run.record["overall"][name], float | int) for name in headline)
        lists = all(isinstance(size, str) for size in run.record["resolution"])
        return (
            (texts and counts and overall and lists and bool(run.sequences))
            and isinstance(run.record["provenance"], dict)
            and all(_is_whole_sequence(part, headline) for part in run.sequences.values())
        )
    except (KeyError, TypeError, AttributeError):
        return False


def _is_whole_sequence(part: Mapping[str, Any], headline: Sequence[str]) -> bool:
    measures = part["per_frame"]
    num_frames = len(measures["frame"])
    return (
        num_frames > 0
        and isinstance(part["frames_counted"], int)
        and all(isinstance(part["figures"][name], float | int) for name in headline)
        and all(isinstance(name, str) for name in measures["frame"])
        and all(len(values) == num_frames for values in measures.values())
        and all(
            value is None or isinstance(value, float | int)
            for name, values in measures.items()
            if name != "frame"
            for value in values
        )
    )
