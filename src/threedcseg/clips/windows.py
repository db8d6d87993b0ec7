"""Which frames go into which clip: pure integers, no arrays (section 3.3 of the paper).

A video of any length is cut into windows of ``clip_length`` frames, successive windows sharing
``overlap`` frames. A window is a tuple of frame indices, one for each slot of the clip; an index
may repeat where a video (or its tail) is shorter than a clip.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal, TypeVar, get_args

from threedcseg.errors import InputError

FrameT = TypeVar("FrameT")

Tail = Literal["shift", "repeat-first"]
"""What to do when the frames left at the end do not fill a clip.

``shift``
    Move the last window back so that it ends at the last frame (default). A video shorter than a
    clip is filled up by repeating its last frame.
``repeat-first``
    As the published code does: windows start at 0, step, 2 step, ... for as long as the start is a
    frame, and a window with fewer frames left repeats its first frame in front until it is full.
"""


def check_windowing(clip_length: int, overlap: int, tail: Tail) -> None:
    """Raise `InputError` unless the three settings make sense together."""
    if clip_length < 1:
        raise InputError(f"clip length {clip_length} is not positive: give at least 1 frame")
    if not 0 <= overlap < clip_length:
        raise InputError(
            f"overlap {overlap} does not fit clips of {clip_length} frames: "
            f"give a number from 0 to {clip_length - 1}"
        )
    if tail not in get_args(Tail):
        raise InputError(f"unknown tail policy {tail!r}: choose one of {', '.join(get_args(Tail))}")


def full_windows(clip_length: int, overlap: int) -> Iterator[tuple[int, ...]]:
    """All windows of an endless video, in order: starts 0, step, 2 step, ..."""
    start = 0
    while True:
        yield tuple(range(start, start + clip_length))
        start += clip_length - overlap


def tail_windows(
    num_frames: int, clip_length: int, overlap: int, tail: Tail
) -> list[tuple[int, ...]]:
    """The windows that follow the last full one, once the video is known to have ended."""
    step = clip_length - overlap
    num_full = max(0, (num_frames - clip_length) // step + 1)
    if tail == "repeat-first":
        return [
            (start,) * (clip_length - (num_frames - start)) + tuple(range(start, num_frames))
            for start in range(num_full * step, num_frames, step)
        ]
    covered = (num_full - 1) * step + clip_length if num_full else 0
    if covered >= num_frames:
        return []
    start = max(0, num_frames - clip_length)
    return [tuple(min(start + slot, num_frames - 1) for slot in range(clip_length))]


def all_windows(
    num_frames: int, clip_length: int = 8, overlap: int = 3, tail: Tail = "shift"
) -> list[tuple[int, ...]]:
    """Every window of a video of ``num_frames`` frames, in the order they are computed.

    >>> all_windows(10, clip_length=4, overlap=1)
    [(0, 1, 2, 3), (3, 4, 5, 6), (6, 7, 8, 9)]
    >>> all_windows(5, clip_length=4, overlap=1)
    [(0, 1, 2, 3), (1, 2, 3, 4)]
    >>> all_windows(5, clip_length=4, overlap=1, tail="repeat-first")
    [(0, 1, 2, 3), (3, 3, 3, 4)]
    """
    check_windowing(clip_length, overlap, tail)
    windows = []
    for window in full_windows(clip_length, overlap):
        if window[-1] >= num_frames:
            break
        windows.append(window)
    return windows + tail_windows(num_frames, clip_length, overlap, tail)


def iter_clips(
    frames: Iterable[FrameT], clip_length: int = 8, overlap: int = 3, tail: Tail = "shift"
) -> Iterator[tuple[tuple[int, ...], list[FrameT]]]:
    """Group a stream of frames of unknown length into ``(window, clip)``, as early as possible.

    Holds at most ``clip_length`` frames. ``clip[slot]`` is the frame of index ``window[slot]``.
    """
    check_windowing(clip_length, overlap, tail)
    recent: deque[FrameT] = deque(maxlen=clip_length)
    count = 0
    upcoming = full_windows(clip_length, overlap)
    window = next(upcoming)
    for frame in frames:
        recent.append(frame)
        count += 1
        if count == window[-1] + 1:
            yield window, list(recent)
            window = next(upcoming)
    oldest = count - len(recent)
    for window in tail_windows(count, clip_length, overlap, tail) if count else []:
        yield window, [recent[index - oldest] for index in window]
