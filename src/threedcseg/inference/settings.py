"""Everything that decides a mask besides the weights; imports no torch."""

from dataclasses import dataclass
from typing import Literal

from threedcseg.clips.transforms import Upsampling
from threedcseg.clips.windows import Tail, check_windowing
from threedcseg.errors import InputError


@dataclass(frozen=True)
class Settings:
    """Everything that decides a mask besides the weights.

    ``emit`` says when a frame is handed out. "final": once no later window can change it, which is
    at most ``clip_length - 1`` frames after it came in. "early": with the first window that covers
    it, at most ``clip_length - overlap - 1`` frames after it came in (the delay of section 3.3; 0
    when dense), without the later windows' share in the average.

    With the tail policy "shift", the moved window changes only frames not yet handed out.
    """

    clip_length: int = 8
    overlap: int = 3
    tail: Tail = "shift"
    emit: Literal["final", "early"] = "final"
    short_edge: int = 288
    multiple: int = 16
    pad: bool = False
    upsampling: Upsampling = "linear"
    threshold: float = 0.5

    def check(self) -> None:
        """Raise `InputError` for values that cannot work."""
        check_windowing(self.clip_length, self.overlap, self.tail)
        if not 16 <= self.short_edge <= 4096:
            raise InputError(
                f"short edge {self.short_edge} is out of range: give 16 to 4096 pixels"
            )
        if not 0 <= self.threshold < 1:
            raise InputError(f"threshold {self.threshold} is out of range: give 0 <= p < 1")


PUBLISHED = Settings(
    tail="repeat-first", short_edge=480, multiple=32, pad=True, upsampling="nearest"
)
"""What the authors' code does at inference; see DEVIATIONS.md."""
