"""Folders of results as `segment_video` leaves them, without the results."""

from pathlib import Path
from typing import Any

from threedcseg.outputs.record import RunRecord


def record_of(**facts: Any) -> RunRecord:
    """A record of masks of three frames, but for what ``facts`` say otherwise."""
    plain = {"source": "a.mp4", "size": (64, 48), "num_frames": 3, "outputs": {"masks": ("*.png",)}}
    return RunRecord(**{**plain, **facts})


def finish(folder: Path, **facts: Any) -> None:
    """Write that record into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    record_of(**facts).finish(folder)
