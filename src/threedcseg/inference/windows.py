"""Which frames go into which clip: pure integers, no arrays (section 3.3 of the paper).

A video of any length is cut into windows of ``clip_length`` frames, successive windows sharing
``overlap`` frames. A window is a tuple of frame indices, one for each slot of the clip; an index
may repeat where a video (or its tail) is shorter than a clip.

With a ``spacing`` above 1, a window takes every so-manieth frame: it sees more of the video, for
the same work. Windows that begin at successive frames make a block, which covers all frames from
its first to its last; successive blocks share ``overlap`` frames of each window.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal, TypeVar, get_args

from threedcseg.errors import InputError

FrameT = TypeVar("FrameT")
Window = tuple[int, ...]

Tail = Literal["shift", "repeat-first"]
"""What to do when the frames left at the end do not fill a block.

``shift``
    Move the last windows back so that they end at the last frame, no further apart than it takes to
    cover what is left (default). A video shorter than a clip is filled up by repeating its last
    frame.
``repeat-first``
    As the published code does: windows without spacing start at 0, step, 2 step, ... for as long as
    the start is a frame, and a window with fewer frames left repeats its first frame in front until
    it is full.
"""


def check_windowing(clip_length: int, overlap: int, tail: Tail, spacing: int = 1) -> None:
    """Raise `InputError` unless the settings make sense together."""
    if clip_length < 1:
        raise InputError(f"clip length {clip_length} is not positive: give at least 1 frame")
    if not 0 <= overlap < clip_length:
        raise InputError(
            f"overlap {overlap} does not fit clips of {clip_length} frames: "
            f"give a number from 0 to {clip_length - 1}"
        )
    if spacing < 1:
        raise InputError(f"spacing {spacing} is not positive: give 1 for frames in a row, or more")
    if tail not in get_args(Tail):
        raise InputError(f"unknown tail policy {tail!r}: choose one of {', '.join(get_args(Tail))}")


def all_windows(
    num_frames: int,
    clip_length: int = 8,
    overlap: int = 3,
    tail: Tail = "shift",
    spacing: int = 1,
) -> list[Window]:
    """Every window of a video of ``num_frames`` frames, in the order they are computed.

    >>> all_windows(10, clip_length=4, overlap=1)
    [(0, 1, 2, 3), (3, 4, 5, 6), (6, 7, 8, 9)]
    >>> all_windows(5, clip_length=4, overlap=1)
    [(0, 1, 2, 3), (1, 2, 3, 4)]
    >>> all_windows(5, clip_length=4, overlap=1, tail="repeat-first")
    [(0, 1, 2, 3), (3, 3, 3, 4)]
    >>> all_windows(11, clip_length=4, overlap=0, spacing=2)
    [(0, 2, 4, 6), (1, 3, 5, 7), (7, 8, 9, 10)]
    """
    clips = iter_clips(range(num_frames), clip_length, overlap, tail, spacing)
    return [window for window, _, _ in clips]


def iter_clips(
    frames: Iterable[FrameT],
    clip_length: int = 8,
    overlap: int = 3,
    tail: Tail = "shift",
    spacing: int = 1,
) -> Iterator[tuple[Window, list[FrameT], int]]:
    """Group a stream of frames of unknown length into ``(window, clip, settled)``.

    Each block is given out as soon as its last frame is in, and at most ``clip_length * spacing``
    frames are held. ``clip[slot]`` is the frame of index ``window[slot]``. No later window but a
    tail that was moved back covers a frame before ``settled``.
    """
    check_windowing(clip_length, overlap, tail, spacing)
    span, step = clip_length * spacing, (clip_length - overlap) * spacing
    recent: deque[FrameT] = deque(maxlen=span)
    num_frames = start = 0

    def with_clips(windows: list[Window], end: int) -> Iterator[tuple[Window, list[FrameT], int]]:
        oldest = num_frames - len(recent)
        starts = [*(window[0] for window in windows), end]
        for window, settled in zip(windows, starts[1:], strict=True):
            yield window, [recent[index - oldest] for index in window], settled

    for frame in frames:
        recent.append(frame)
        num_frames += 1
        if num_frames == start + span:
            yield from with_clips(_block(start, clip_length, spacing), start + step)
            start += step
    if tail == "repeat-first":
        left = _published_tail(start, num_frames, clip_length, clip_length - overlap)
    else:
        covered = start + overlap * spacing if start else 0
        left = _shifted_tail(covered, num_frames, clip_length, spacing)
    yield from with_clips(list(left), num_frames)


def _block(start: int, clip_length: int, spacing: int) -> list[Window]:
    span = clip_length * spacing
    return [tuple(range(at, at + span, spacing)) for at in range(start, start + spacing)]


def _shifted_tail(
    covered: int, num_frames: int, clip_length: int, spacing: int
) -> Iterator[Window]:
    """Blocks, as few frames apart as will do, for the frames from ``covered`` on."""
    while covered < num_frames:
        needed = -(-(num_frames - covered) // clip_length)
        spacing = max(1, min(spacing, needed, num_frames // clip_length))
        start = max(0, min(covered, num_frames - clip_length * spacing))
        for window in _block(start, clip_length, spacing):
            yield tuple(min(index, num_frames - 1) for index in window)
        covered = start + clip_length * spacing


def _published_tail(start: int, num_frames: int, clip_length: int, step: int) -> Iterator[Window]:
    for first in range(start, num_frames, step):
        window = tuple(range(first, min(first + clip_length, num_frames)))
        yield (first,) * (clip_length - len(window)) + window
