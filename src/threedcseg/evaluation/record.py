"""A result as a JSON object, with all that defines its numbers; docs/metrics.md has the format."""

import json
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from threedcseg.atomic import replacing
from threedcseg.errors import InputError
from threedcseg.evaluation.protocols import Protocol, Settings
from threedcseg.evaluation.results import Result
from threedcseg.evaluation.scorer import in_words
from threedcseg.outputs.record import RunRecord

FORMAT = "3dcseg evaluation 1"

PROVENANCE = (
    "model",
    "weights_sha256",
    "precision",
    "runtime",
    "clip_length",
    "overlap",
    "stride",
    "tta",
    "tail",
    "emit",
    "short_edge",
    "upsampling",
    "shots",
    "median",
    "keep_largest",
    "drop_specks",
    "threshold",
    "software",
)
"""What is said of how the predictions were made; None where it is not known."""


def evaluation_record(
    result: Result,
    protocol: Protocol,
    settings: Settings,
    *,
    ground_truth: str,
    predictions: str,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """The JSON object of a result.

    Args:
        result, protocol, settings: what `score` gave, and what it was given.
        ground_truth: its name; figures against different ground truths do not compare.
        predictions: their name, such as the folder's.
        provenance: of the predictions, by the names in `PROVENANCE`, as `read_provenance` gives it.
    """
    sizes = sorted({sequence.size for sequence in result.sequences})
    return {
        "format": FORMAT,
        "protocol": protocol.name,
        "frames": protocol.frames,
        "averaging": protocol.averaging,
        "binarisation": protocol.describe_binarisation(settings),
        "ground_truth": ground_truth,
        "predictions": predictions,
        "frames_counted": result.num_frames,
        "frames_missing": sum(len(sequence.missing) for sequence in result.sequences),
        "resolution": [in_words(size) for size in sizes],
        "software": f"threedcseg {version('threedcseg')}, Python {platform.python_version()}",
        "provenance": {name: provenance.get(name) for name in PROVENANCE},
        "overall": result.overall,
        "sequences": {
            sequence.name: {
                "frames_counted": sequence.num_frames,
                "resolution": in_words(sequence.size),
                "missing": list(sequence.missing),
                "figures": sequence.figures,
                **sequence.details,
                "per_frame": {name: list(values) for name, values in sequence.per_frame.items()},
            }
            for sequence in result.sequences
        },
    }


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
        for name, seen in values.items():
            if record.get(name) not in seen:
                seen.append(record.get(name))
    return {name: seen[0] if len(seen) == 1 else (seen or None) for name, seen in values.items()}


def terms(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the figures of a record rest on, and how its predictions were made, in words."""
    missing, made = record["frames_missing"], record["provenance"]
    how = [
        ("predicted by" if name == "software" else name.replace("_", " "), _in_words(value))
        for name, value in made.items()
        if value is not None or name in ("model", "weights_sha256")
    ]
    known = any(value is not None for value in made.values())
    return [
        ("protocol", record["protocol"]),
        ("ground truth", record["ground_truth"]),
        ("predictions", record["predictions"]),
        ("frames", f"{record['frames_counted']}: {record['frames']}"),
        ("missing", f"{missing}, counted as empty" if missing else "none"),
        ("mean over", record["averaging"]),
        ("binarisation", record["binarisation"]),
        ("resolution", ", ".join(record["resolution"])),
        ("scored by", record["software"]),
        *(how if known else [("made by", "not recorded")]),
    ]


def _in_words(value: Any) -> str:
    if isinstance(value, list):
        return "differs: " + ", ".join(map(_in_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not recorded" if value is None else str(value)


def write_evaluation(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as JSON, whole or not at all; raises as `check_writable`."""
    check_writable(path)
    with replacing(path) as temporary:
        text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", "utf-8")


def check_writable(path: Path) -> None:
    """Raise `InputError` if the folder is missing or ``path`` is anything but a former record."""
    if path.exists() and not is_evaluation(path):
        raise InputError(f"{path} exists and is no evaluation: give another name")
    if not path.parent.is_dir():
        raise InputError(f"{path}: no such folder {path.parent}; make it, or give another name")


def is_evaluation(path: Path) -> bool:
    """Whether a file is a record that `write_evaluation` wrote."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("format") == FORMAT
