"""How doubtful each mask is, so that a person checks twenty frames and not two thousand.

What it is worth is measured in docs/quality.md, by ``benchmarks/doubt.py``; its weights were chosen
on training sequences.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

SHORT_EDGE = 144  # pixels at which masks are looked at: enough, and cheap
NOTHING = 0.1  # probabilities below it are background for certain
LEAST_AREA = 1e-3  # share of the frame: below it, objects neither come nor go
USUAL_CHANGE = 0.2  # by which share an area changes from frame to frame in good masks
SHARE = 0.1  # of the frames are marked at most
CERTAIN = 0.05  # doubt below which no frame is marked: there, J is 0.95 on average


@dataclass(frozen=True)
class DoubtfulFrames:
    """Frames in a row that are to be checked, by their numbers, and the most doubtful one's doubt
    (0 to 1)."""

    first: int
    last: int
    doubt: float

    def __len__(self) -> int:
        return self.last - self.first + 1


class DoubtMeter:
    """Takes the probabilities of a video as they come; keeps twelve bytes of each frame.

    The doubt of a mask, 0 to 1, is the sum of three things:

    - how far the mask is from its probabilities: 1 - sum min(p, m) / sum max(p, m), which is what
      1 - J would be, were the probabilities right;
    - half the share of it that is apart from its largest region: what is found beside the one that
      moves is often a bystander;
    - how suddenly its area changes, against the frame before or the one after: from 0, where it
      changes by a fifth, to 1, where it vanishes. Not across cuts.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self._threshold = threshold
        self._numbers, self._doubts = array("q"), array("f")
        self._area = self._still = self._sudden = 0.0  # of the last frame

    def update(self, number: int, probabilities: np.ndarray, cut: bool = False) -> None:
        """The next frame: its number and ``(H, W)`` float32; ``cut``: it begins a new shot."""
        small = _shrunk(probabilities)
        mask = small > self._threshold
        least = LEAST_AREA * small.size
        area = float(np.count_nonzero(mask))
        still = _undecided(small, mask, least) + _apart(mask) / 2
        sudden = 0.0
        if self._doubts and not cut:
            change = 1 - (min(area, self._area) + least) / (max(area, self._area) + least)
            sudden = max(0.0, change - USUAL_CHANGE) / (1 - USUAL_CHANGE)
            self._doubts[-1] = min(1.0, self._still + max(self._sudden, sudden))
        self._numbers.append(number)
        self._doubts.append(min(1.0, still + sudden))
        self._area, self._still, self._sudden = area, still, sudden

    @property
    def doubts(self) -> np.ndarray:
        """``(T,)`` float32: of each frame so far; the last one's may grow with the next frame."""
        return np.array(self._doubts, np.float32)

    def doubtful(self) -> tuple[DoubtfulFrames, ...]:
        """The most doubtful tenth of the frames so far, in order, but those that are certain."""
        doubts = self.doubts
        most = round(SHARE * len(doubts))
        worst = np.sort(np.argsort(-doubts, kind="stable")[:most])
        found: list[DoubtfulFrames] = []
        for place in worst[doubts[worst] >= CERTAIN].tolist():
            number, doubt = self._numbers[place], round(float(doubts[place]), 3)
            if found and found[-1].last == number - 1:
                last = found.pop()
                found.append(DoubtfulFrames(last.first, number, max(last.doubt, doubt)))
            else:
                found.append(DoubtfulFrames(number, number, doubt))
        return tuple(found)


def to_check(doubtful: Sequence[DoubtfulFrames]) -> str:
    """``; to check: 6 frames, from number 12 on``, or nothing."""
    if not doubtful:
        return ""
    count = sum(map(len, doubtful))
    return f"; to check: {count} frame{'s' * (count > 1)}, from number {doubtful[0].first} on"


def _shrunk(probabilities: np.ndarray) -> np.ndarray:
    """``(H, W)`` to ``(h, w)``, of which the short edge is `SHORT_EDGE` at most."""
    height, width = probabilities.shape
    scale = min(1.0, SHORT_EDGE / min(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(probabilities, size, interpolation=cv2.INTER_AREA)


def _undecided(probabilities: np.ndarray, mask: np.ndarray, least: float) -> float:
    likely = np.where(probabilities > NOTHING, probabilities, 0)
    both = float(np.minimum(likely, mask).sum()) + least
    return 1 - both / (float(np.maximum(likely, mask).sum()) + least)


def _apart(mask: np.ndarray) -> float:
    *_, boxes, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    areas = boxes[1:, cv2.CC_STAT_AREA]
    return 1 - float(areas.max() / areas.sum()) if len(areas) else 0.0
