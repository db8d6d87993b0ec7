"""Folders of results as `segment_video` leaves them, without the results."""

from pathlib import Path
from typing import Any

from threedcseg.outputs.record import LiveRecord, RunRecord
from threedcseg.outputs.result_folder import finish_run

DELAY = {"max_frames": 3, "max_ms": 120.0, "mean_ms": 80.5}
LIVE = LiveRecord(
    stopped=True,
    ended_by=None,
    when_behind="wait",
    queue=8,
    num_read=9,
    num_dropped=0,
    delay=DELAY,
)


def record_of(**facts: Any) -> RunRecord:
    """A record of masks of three frames, but for what ``facts`` say otherwise."""
    plain = {"source": "a.mp4", "size": (64, 48), "num_frames": 3, "outputs": {"masks": ("*.png",)}}
    return RunRecord(**{**plain, **facts})


def finish(folder: Path, **facts: Any) -> None:
    """Write that record into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    finish_run(folder, record_of(**facts))
