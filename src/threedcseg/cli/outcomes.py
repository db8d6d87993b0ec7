"""What is told while videos are done, and of how each of them ended."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from threedcseg.cli.progress import event_progress, frame_progress, no_progress, print_event
from threedcseg.outputs.objects import lasting_objects

if TYPE_CHECKING:
    from threedcseg.segmentation.batch import VideoOutcome


class OutcomeReport:
    """Tells people or, with ``json``, programs how each video went; ``quiet``: only what is wrong.

    Of a ``long_list`` it tells neither what was done before nor, with ``objects``, the objects of
    each video. ``progress`` shows that of one video.
    """

    def __init__(self, *, json: bool, quiet: bool, long_list: bool, objects: bool) -> None:
        self._json, self._quiet = json, quiet
        self._tells_done_before = not long_list
        self._lists_objects = objects and not long_list
        self._stdout = sys.stdout  # Ray's is another
        self.progress = frame_progress
        if json:
            self.progress = event_progress
        if quiet:
            self.progress = no_progress

    def say(self, line: str) -> None:
        """Something for people alone."""
        if not self._quiet:
            print(line, file=sys.stderr, flush=True)

    def __call__(self, outcome: "VideoOutcome") -> None:
        (self._event if self._json else self._line)(outcome)

    def _event(self, outcome: "VideoOutcome") -> None:
        facts: dict[str, object] = {"video": str(outcome.video), "folder": str(outcome.folder)}
        event, done = "elsewhere", outcome.result
        if outcome.kind == "failed":
            event, facts["reason"] = "failed", outcome.reason
        elif done is not None:
            event = "done"
            facts |= {"frames": done.num_frames, "cuts": done.cuts}
            facts["damage"] = asdict(done.damage) if done.damage else None
            facts["doubtful"] = [(each.first, each.last) for each in done.doubtful]
            facts["done_before"] = done.done_before
        print_event(event, self._stdout, **facts)

    def _line(self, outcome: "VideoOutcome") -> None:
        if outcome.result is None:
            print(f"error: {outcome}", file=sys.stderr, flush=True)
        elif outcome.damage and self._quiet:
            print(f"damaged: {outcome}", file=sys.stderr, flush=True)
        elif not self._quiet and (outcome.kind == "done" or self._tells_done_before):
            lines = lasting_objects(outcome.folder) if self._lists_objects else ()
            print(outcome, *lines, sep="\n", file=self._stdout, flush=True)
