"""Everything that decides a mask besides the weights; imports no torch."""

from dataclasses import dataclass
from typing import Literal, get_args

from threedcseg.errors import InputError
from threedcseg.inference.geometry import Upsampling
from threedcseg.inference.windows import Tail, check_windowing

VIEWS = ((1.0, False), (0.6, True), (0.6, False), (1.0, True))
"""The views of a clip, the most useful first: size against the clip's, and whether mirrored."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides a mask besides the weights.

    Windows take every ``spacing``-th frame, as far as memory allows (`segment`), so that a clip
    sees more of the video; the tail and short videos are seen less far apart (`iter_clips`).

    ``emit`` says when a frame is handed out. "final": once no later window can change it, which is
    at most ``clip_length * spacing - 1`` frames after it came in. "early": with the first window
    that covers it, at most ``(clip_length - overlap) * spacing - 1`` frames after it came in (the
    delay of section 3.3; 0 when dense, without spacing), without the later windows' share in the
    average.

    With the tail policy "shift", the moved windows change only frames not yet handed out.

    The network sees each clip ``views`` times, from 1 to 4: as it is; with left and right exchanged
    at 0.6 of the size; so small without the exchange; and exchanged at the full size. The logits
    are averaged: better masks for 1.4, 1.8 and 2.8 times the work (docs/quality.md). An overlap
    adds nothing to that.

    With ``shots``, windows begin anew at every hard cut, as at the beginning of a video: no clip
    mixes two scenes (docs/shots.md). Where a cut is suspected, two more frames are awaited.

    ``median`` is a number of frames, odd: each probability becomes the median of those around it
    in time, within the shot, and ``median // 2`` more frames are awaited. ``keep_largest`` is the
    number of connected regions of a mask that stay, ``drop_specks`` the share of the frame below
    which one goes.
    """

    clip_length: int = 8
    overlap: int = 0
    spacing: int = 6
    views: int = 4
    tail: Tail = "shift"
    emit: Literal["final", "early"] = "final"
    short_edge: int = 288
    multiple: int = 16
    pad: bool = False
    upsampling: Upsampling = "guided"
    shots: bool = True
    median: int = 1
    keep_largest: int | None = None
    drop_specks: float = 0.0
    threshold: float = 0.5

    def check(self) -> None:
        """Raise `InputError` for values that cannot work."""
        check_windowing(self.clip_length, self.overlap, self.tail, self.spacing)
        if not 1 <= self.views <= len(VIEWS):
            raise InputError(f"{self.views} views of a clip: give 1 to {len(VIEWS)}")
        if not 16 <= self.short_edge <= 4096:
            raise InputError(
                f"short edge {self.short_edge} is out of range: give 16 to 4096 pixels"
            )
        if self.upsampling not in get_args(Upsampling):
            choices = ", ".join(get_args(Upsampling))
            raise InputError(f"unknown upsampling {self.upsampling!r}: choose one of {choices}")
        if self.median not in range(1, 32, 2):
            raise InputError(
                f"median over {self.median} frames: give an odd number from 1 (off) to 31"
            )
        if self.keep_largest is not None and self.keep_largest < 1:
            raise InputError(
                f"{self.keep_largest} largest regions to keep: give 1 or more, or leave it out"
            )
        if not 0 <= self.drop_specks < 1:
            raise InputError(
                f"specks below {self.drop_specks} of the frame: give a share from 0 (off) to 1, "
                "such as 0.001"
            )
        if not 0 <= self.threshold < 1:
            raise InputError(f"threshold {self.threshold} is out of range: give 0 <= p < 1")


PUBLISHED = Settings(
    overlap=3,
    spacing=1,
    views=1,
    tail="repeat-first",
    short_edge=480,
    multiple=32,
    pad=True,
    upsampling="nearest",
    shots=False,
)
"""What the authors' code does at inference; see DEVIATIONS.md."""

LIVE = Settings(overlap=3, spacing=1, views=1, emit="early", short_edge=256)
"""For live input: less delay and less work; clips overlap as in the paper."""
