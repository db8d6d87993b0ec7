"""Hard cuts in a stream of frames, so that no clip mixes two scenes (docs/shots.md)."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import cv2
import numpy as np

LEAST = 30.0
"""The least dissimilarity of the two frames at a cut."""
TIMES = 3.0
"""A cut's dissimilarity in units of the largest of the `RECENT` steps before it, at least."""
SAME_COLOURS = 0.05
"""Added to the distance of histograms, for cuts between views of one scene and in gray videos."""
RECENT = 8
"""Steps from frame to frame, cuts left out, that say how much there is going on."""
FLASH = 2
"""A picture that comes back after at most so many frames was interrupted by a flash, not a cut."""
LARGE = 400
"""Pixels of the shorter side from which a frame is halved first, which OpenCV does faster."""

FrameT = TypeVar("FrameT")


def mark_shots(
    frames: Iterable[FrameT], thumbnail_of: "Callable[[FrameT], Thumbnail] | None" = None
) -> Iterator[tuple[int, FrameT]]:
    """Yield ``(shot, frame)`` for every frame, in order; ``shot`` counts from 0.

    Frames are ``(H, W, 3)`` uint8 RGB, or anything with its `Thumbnail`. One is handed on as it
    comes; only at one that may begin a shot are up to `FLASH` further ones read first.
    """
    dissimilarity = Dissimilarity()
    of: Callable[[Any], Thumbnail] = thumbnail_of or Thumbnail.of
    stream = ((frame, of(frame)) for frame in frames)
    waiting: deque[tuple[FrameT, Thumbnail]] = deque()
    recent: deque[float] = deque(maxlen=RECENT)
    last: Thumbnail | None = None  # of the shot, flashes left out
    shot = flash = 0
    while True:
        if not waiting:
            waiting.extend(islice(stream, 1))
        if not waiting:
            return
        frame, thumbnail = waiting.popleft()
        if flash:
            flash -= 1
        elif last is None:
            last = thumbnail
        else:
            step = dissimilarity(last, thumbnail)
            limit = max(LEAST, TIMES * max(recent, default=0.0))
            if step <= limit:
                recent.append(step)
                last = thumbnail
            else:
                waiting.extend(islice(stream, FLASH - len(waiting)))
                back = (dissimilarity(last, later) <= limit for _, later in waiting)
                flash = next((number for number, same in enumerate(back) if same), -1)
                if flash < 0:
                    shot, flash, last = shot + 1, 0, thumbnail
        yield shot, frame


def reduced(frame: np.ndarray) -> np.ndarray:
    """``(H, W, 3)`` uint8, halved until its shorter side is below `LARGE`."""
    while min(frame.shape[:2]) >= LARGE:
        frame = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return frame


@dataclass(frozen=True)
class Thumbnail:
    """What of a frame is compared: a gray image, and the square roots of two histograms."""

    luma: np.ndarray
    shades: np.ndarray
    colours: np.ndarray

    @classmethod
    def of(cls, frame: np.ndarray) -> "Thumbnail":
        """Of a frame ``(H, W, 3)`` uint8 RGB of any size."""
        image = cv2.resize(reduced(frame), (64, 36), interpolation=cv2.INTER_AREA)
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        shades = cv2.calcHist([luma], [0], None, [32], [0, 256])
        colours = cv2.calcHist([image], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3)
        return cls(luma, *(np.sqrt(counts.ravel() / luma.size) for counts in (shades, colours)))


class Dissimilarity:
    """How little one frame is a continuation of another.

    The distance of their histograms (1 minus the Bhattacharyya coefficient, of shades and of
    colours, added) times the square of what optical flow leaves unexplained of the later one (mean
    absolute difference in gray levels). The product is high only where both are: panning changes
    the colours, and fast motion cannot be followed, but few steps within a shot do both.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        # Else the result depends on the number of threads.
        self._flow.setUseSpatialPropagation(False)
        self._columns, self._rows = np.meshgrid(
            np.arange(64, dtype=np.float32), np.arange(36, dtype=np.float32)
        )

    def __call__(self, earlier: Thumbnail, later: Thumbnail) -> float:
        shades = 1 - float(np.vdot(earlier.shades, later.shades))
        colours = 1 - float(np.vdot(earlier.colours, later.colours))
        distance = shades + colours + SAME_COLOURS
        return distance * self._unexplained(earlier.luma, later.luma) ** 2

    def _unexplained(self, earlier: np.ndarray, later: np.ndarray) -> float:
        flow = self._flow.calc(later, earlier, None)  # type: ignore[call-overload]
        columns, rows = self._columns + flow[..., 0], self._rows + flow[..., 1]
        followed = cv2.remap(
            earlier, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return float(cv2.absdiff(followed, later).mean())
