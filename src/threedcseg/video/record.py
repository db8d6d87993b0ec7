"""The completion record: a folder of results is whole if, and only if, ``3dcseg.json`` is in it."""

import json
from pathlib import Path
from typing import Any

from threedcseg.video.atomic import PART_SUFFIX, replacing

RECORD_NAME = "3dcseg.json"


def start_run(folder: str | Path) -> None:
    """Mark ``folder`` as unfinished: remove its record and what an interrupted run left half-made.

    The folder is created if it is missing. Finished files of an earlier run stay.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD_NAME).unlink(missing_ok=True)
    for part in folder.glob(f".*{PART_SUFFIX}"):
        part.unlink(missing_ok=True)


def write_record(folder: str | Path, record: dict[str, Any]) -> None:
    """Write the record, as JSON; the last thing a run does."""
    with replacing(Path(folder) / RECORD_NAME) as temporary:
        temporary.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8")


def read_record(folder: str | Path) -> dict[str, Any] | None:
    """The record of a finished run, or None if there is none or it is not a JSON object."""
    try:
        record = json.loads((Path(folder) / RECORD_NAME).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return record if isinstance(record, dict) else None
