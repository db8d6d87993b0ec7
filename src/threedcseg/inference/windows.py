"""Which frames go into which clip: pure integers, no arrays (section 3.3 of the paper).

A video of any length is cut into windows of ``clip_length`` frames, successive windows sharing
``overlap`` frames. A window is a tuple of frame indices, one for each slot of the clip; an index
may repeat where a video (or its tail) is shorter than a clip.

With a ``stride`` above 1, a window takes every second, third, ... frame: it sees more of the
video, for the same work. Windows that begin at successive frames make a block, which covers all
frames from its first to its last; successive blocks share ``overlap`` frames of each window.

The ``context`` of a window are as many frames, as far apart, before its first and after its last.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from threedcseg.inference.settings import Settings, Tail

FrameT = TypeVar("FrameT")
Window = tuple[int, ...]


@dataclass(frozen=True)
class Clip(Generic[FrameT]):
    """A window with its frames: ``frames[slot]`` is the one of index ``window[slot]``.

    ``before`` and ``after``: its context, None where the video has no such frame. No later window
    but a tail that was moved back covers a frame before ``settled``.
    """

    window: Window
    frames: list[FrameT]
    before: list[FrameT | None]
    after: list[FrameT | None]
    settled: int


def all_windows(
    num_frames: int,
    clip_length: int = 8,
    overlap: int = 3,
    tail: Tail = "shift",
    stride: int = 1,
) -> list[Window]:
    """Every window of a video of ``num_frames`` frames, in the order they are computed.

    >>> all_windows(10, clip_length=4, overlap=1)
    [(0, 1, 2, 3), (3, 4, 5, 6), (6, 7, 8, 9)]
    >>> all_windows(5, clip_length=4, overlap=1)
    [(0, 1, 2, 3), (1, 2, 3, 4)]
    >>> all_windows(5, clip_length=4, overlap=1, tail="repeat-first")
    [(0, 1, 2, 3), (3, 3, 3, 4)]
    >>> all_windows(11, clip_length=4, overlap=0, stride=2)
    [(0, 2, 4, 6), (1, 3, 5, 7), (7, 8, 9, 10)]
    """
    clips = iter_clips(range(num_frames), clip_length, overlap, tail, stride)
    return [clip.window for clip in clips]


def iter_clips(
    frames: Iterable[FrameT],
    clip_length: int = 8,
    overlap: int = 3,
    tail: Tail = "shift",
    stride: int = 1,
    context: int = 0,
) -> Iterator[Clip[FrameT]]:
    """Group a stream of frames of unknown length into clips.

    Each block is given out as soon as its last frame and its context are in, and at most
    ``(clip_length + 2 * context) * stride`` frames are held.
    """
    Settings(clip_length, overlap, stride, tail=tail, context=context).check()
    span, step = clip_length * stride, (clip_length - overlap) * stride
    around = context * stride
    recent: deque[FrameT] = deque(maxlen=span + 2 * around)
    num_frames = start = 0

    def at(index: int) -> FrameT | None:
        return recent[index - num_frames] if 0 <= index < num_frames else None

    def clips(windows: list[Window], end: int) -> Iterator[Clip[FrameT]]:
        starts = [*(window[0] for window in windows), end]
        for window, settled in zip(windows, starts[1:], strict=True):
            apart = max(1, window[-1] - window[-2]) if clip_length > 1 else stride
            steps = range(apart, context * apart + 1, apart)
            yield Clip(
                window,
                [recent[index - num_frames] for index in window],
                [at(window[0] - step) for step in reversed(steps)],
                [at(window[-1] + step) for step in steps],
                settled,
            )

    for frame in frames:
        recent.append(frame)
        num_frames += 1
        if num_frames == start + span + around:
            yield from clips(_block(start, clip_length, stride), start + step)
            start += step
    while num_frames >= start + span:  # without all of its context
        yield from clips(_block(start, clip_length, stride), start + step)
        start += step
    if tail == "repeat-first":
        left = _published_tail(start, num_frames, clip_length, clip_length - overlap)
    else:
        covered = start + overlap * stride if start else 0
        left = _shifted_tail(covered, num_frames, clip_length, stride)
    yield from clips(list(left), num_frames)


def _block(start: int, clip_length: int, stride: int) -> list[Window]:
    span = clip_length * stride
    return [tuple(range(at, at + span, stride)) for at in range(start, start + stride)]


def _shifted_tail(covered: int, num_frames: int, clip_length: int, stride: int) -> Iterator[Window]:
    """Blocks, as few frames apart as will do, for the frames from ``covered`` on."""
    while covered < num_frames:
        needed = -(-(num_frames - covered) // clip_length)
        stride = max(1, min(stride, needed, num_frames // clip_length))
        start = max(0, min(covered, num_frames - clip_length * stride))
        for window in _block(start, clip_length, stride):
            yield tuple(min(index, num_frames - 1) for index in window)
        covered = start + clip_length * stride


def _published_tail(start: int, num_frames: int, clip_length: int, step: int) -> Iterator[Window]:
    for first in range(start, num_frames, step):
        window = tuple(range(first, min(first + clip_length, num_frames)))
        yield (first,) * (clip_length - len(window)) + window
