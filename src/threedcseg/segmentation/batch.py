"""Many videos, each of which is done once, however often and by however many it is tried."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from threedcseg.atomic import claimed
from threedcseg.errors import InputError
from threedcseg.outputs.record import RunRecord, RunTerms

Work = Callable[[Path, Path], str]
"""Makes the result of a video in a folder, and returns a line that says what was made."""


@dataclass(frozen=True)
class VideoOutcome:
    """What became of one video, and the line that says so if there is something to say.

    ``done`` now, done ``before``, being done ``elsewhere`` by another process, or ``failed``.
    """

    kind: Literal["done", "before", "elsewhere", "failed"]
    message: str = ""


@dataclass
class Tally:
    """How many videos were done now, had been done before, are being done elsewhere, and failed."""

    done: int = 0
    before: int = 0
    elsewhere: int = 0
    failed: int = 0

    @classmethod
    def of(
        cls, outcomes: Iterable[VideoOutcome], report: Callable[[VideoOutcome], None]
    ) -> "Tally":
        """Counts the outcomes as they come, and hands those with a message to ``report``."""
        tally = cls()
        for outcome in outcomes:
            setattr(tally, outcome.kind, getattr(tally, outcome.kind) + 1)
            if outcome.message:
                report(outcome)
        return tally

    def __str__(self) -> str:
        said = f"{self.done} done, {self.before} done before"
        said += f", {self.elsewhere} being done by another process" if self.elsewhere else ""
        return said + (f", {self.failed} failed" if self.failed else "")


def do_once(video: Path, folder: Path, work: Work, terms: RunTerms) -> VideoOutcome:
    """Call ``work(video, folder)`` unless ``folder`` holds the result already.

    A result counts if its record is there and is of the same source by the same terms. A video that
    another process is working on is left to it. One that cannot be used has failed; faults that are
    not the video's are raised.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with claimed(folder.with_name(f".{folder.name}.claim")) as ours:
        if not ours:
            return VideoOutcome("elsewhere")
        record = RunRecord.read(folder)
        if record is not None and record.fulfils(str(video), terms):
            return VideoOutcome("before")
        try:
            return VideoOutcome("done", work(video, folder))
        except InputError as error:
            return failure(video, error)


def failure(video: Path, reason: object) -> VideoOutcome:
    """That ``video`` has failed, in one line."""
    return VideoOutcome("failed", f"error: {video}: {' '.join(str(reason).split())}")
