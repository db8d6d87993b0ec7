"""Many videos, each of which is done once, however often and by however many it is tried."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from threedcseg.errors import InputError
from threedcseg.outputs.doubt import to_check
from threedcseg.outputs.result_folder import FolderInUse
from threedcseg.segmentation.video import VideoResult
from threedcseg.video.damage import Damage
from threedcseg.video.kinds import is_picture

DAMAGED = 3  # the exit status of a run that did all, of videos that are not whole

Work = Callable[[Path, Path], VideoResult]
"""Makes the result of a video in a folder, unless it is there."""


@dataclass(frozen=True)
class VideoOutcome:
    """What became of one video.

    ``done`` now, done ``before``, being done ``elsewhere`` by another process, or ``failed``:
    then ``reason`` is one line on why. ``result``: of a video that is done.
    """

    kind: Literal["done", "before", "elsewhere", "failed"]
    video: Path
    folder: Path
    result: VideoResult | None = None
    reason: str = ""

    @property
    def damage(self) -> Damage | None:
        """What of the video was lost; None where nothing was."""
        return None if self.result is None else self.result.damage

    def __str__(self) -> str:
        """One line for people."""
        return " ".join(self._told().split())

    def _told(self) -> str:
        if self.kind == "failed":
            named = "" if str(self.video) in self.reason else f"{self.video}: "
            return f"{named}{self.reason}"
        if self.result is None:
            return f"{self.video}: another run is writing into {self.folder}"
        done = self.result
        shots = f" in {len(done.cuts) + 1} shots" if done.cuts else ""
        before = ", done before (--redo does it again)" if self.kind == "before" else ""
        if is_picture(self.video):
            still = "a picture shows no motion: its mask is weaker than a video's"
            return f"{self.video} -> {self.folder} ({still}){before}"
        damage = f" ({done.damage})" if done.damage else ""
        said = f"{done.num_frames} frames{shots} of {self.video} -> {self.folder}{before}{damage}"
        return f"{said}{to_check(done.doubtful)}"


@dataclass
class Tally:
    """How many videos were done now, had been done before, are being done elsewhere, and which
    ones failed, or are damaged."""

    done: int = 0
    before: int = 0
    elsewhere: int = 0
    failed: list[VideoOutcome] = field(default_factory=list)
    damaged: list[VideoOutcome] = field(default_factory=list)

    @classmethod
    def of(
        cls, outcomes: Iterable[VideoOutcome], report: Callable[[VideoOutcome], None]
    ) -> "Tally":
        """Counts the outcomes as they come, and hands each to ``report``."""
        tally = cls()
        for outcome in outcomes:
            if outcome.kind == "failed":
                tally.failed.append(outcome)
            else:
                setattr(tally, outcome.kind, getattr(tally, outcome.kind) + 1)
                tally.damaged += [outcome] if outcome.damage else []
            report(outcome)
        return tally

    def __str__(self) -> str:
        said = f"{self.done} done, {self.before} done before"
        said += f", {self.elsewhere} being done by another process" if self.elsewhere else ""
        said += f", {len(self.failed)} failed" if self.failed else ""
        said += f", {len(self.damaged)} damaged" if self.damaged else ""
        lines = [f"  failed: {outcome}" for outcome in self.failed]
        lines += [f"  damaged: {outcome.video}: {outcome.damage}" for outcome in self.damaged]
        return "\n".join([said, *lines])

    @property
    def status(self) -> int:
        """What a command ends with: 2 where a video failed, 3 where one is damaged, else 0."""
        return 2 if self.failed else DAMAGED if self.damaged else 0


def do_once(video: Path, folder: Path, work: Work) -> VideoOutcome:
    """What ``work(video, folder)`` comes to, so that the next video's turn comes.

    A video that another process is working on is left to it. One that cannot be used has failed,
    and so has one that meets a fault of ours, which is logged. `OSError`, such as a full disk, is
    raised: no other video would fare better.
    """
    try:
        result = work(video, folder)
    except FolderInUse:
        return VideoOutcome("elsewhere", video, folder)
    except InputError as error:
        return failure(video, folder, str(error))
    except OSError:
        raise
    except Exception as error:
        logging.exception("%s", video)
        return failure(video, folder, f"{type(error).__name__}: {error}")
    return VideoOutcome("before" if result.done_before else "done", video, folder, result)


def failure(video: Path, folder: Path, reason: str) -> VideoOutcome:
    """That ``video`` has failed, in one line."""
    return VideoOutcome("failed", video, folder, reason=" ".join(reason.split()))
