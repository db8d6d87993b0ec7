"""The completion record: a folder of results is whole if, and only if, ``3dcseg.json`` is in it.

It is one file under one of two names, so that no moment shows both or neither.
"""

import json
import os
from pathlib import Path
from typing import Any

from threedcseg.atomic import PART_SUFFIX
from threedcseg.errors import InputError

RECORD_NAME = "3dcseg.json"
UNFINISHED_NAME = ".3dcseg-unfinished"
_RESULTS = (
    "*.png",
    "*/*.png",
    "overlay.mp4",
    "matte.mp4",
    "cutout.mp4",
    "alpha.mov",
    "alpha.webm",
    "coco.json",
    "cvat.xml",
    "boxes.csv",
    f".*{PART_SUFFIX}",
    f"*/.*{PART_SUFFIX}",
)


def start_run(folder: str | Path) -> None:
    """Make ``folder`` ready for a new run, and mark it as unfinished until `write_record`.

    What an earlier run left in it, finished or not, is removed, so that no stale frame stays among
    new ones. Raises `InputError` where the folder holds files that are not of such a run.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / UNFINISHED_NAME
    if not unfinished.exists() and read_record(folder) is None:
        foreign = next((f for f in folder.iterdir() if not f.name.startswith(".")), None)
        if foreign is not None:
            raise InputError(
                f"{folder} already holds {foreign.name}, which 3dcseg did not write: give another "
                "output folder, or empty this one"
            )
    try:
        os.replace(folder / RECORD_NAME, unfinished)
    except FileNotFoundError:
        unfinished.touch()
    for pattern in _RESULTS:
        for left_over in folder.glob(pattern):
            left_over.unlink(missing_ok=True)


def write_record(folder: str | Path, record: dict[str, Any]) -> None:
    """Write the record, as JSON; the last thing a run does."""
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    unfinished = Path(folder) / UNFINISHED_NAME
    # Names may hold bytes that are not UTF-8; what this makes of them is the escape of JSON.
    unfinished.write_bytes(text.encode("utf-8", "backslashreplace"))
    os.replace(unfinished, Path(folder) / RECORD_NAME)


def read_record(folder: str | Path) -> dict[str, Any] | None:
    """The record of a finished run, or None if there is none or it is not a JSON object."""
    try:
        record = json.loads((Path(folder) / RECORD_NAME).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return record if isinstance(record, dict) else None
