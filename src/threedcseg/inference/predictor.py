"""Frames in, probabilities out: clips, network, stitching (section 3.3 of the paper)."""

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice, repeat
from operator import attrgetter, itemgetter
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

from threedcseg.errors import InputError
from threedcseg.inference.geometry import Geometry
from threedcseg.inference.on_device import (
    PIXELS_AT_ONCE,
    device_of,
    downloaded,
    resizes,
    uploaded,
)
from threedcseg.inference.postprocessing import drop_regions, drop_unsure, median_over_time
from threedcseg.inference.repeats import MOST, Repeats
from threedcseg.inference.resizing import Picture, PictureT, stack
from threedcseg.inference.settings import Settings
from threedcseg.inference.shots import Thumbnail, mark_shots, reduced
from threedcseg.inference.stitch import Stitcher
from threedcseg.inference.tta import Network, mean_logits
from threedcseg.inference.windows import Clip, iter_clips

HELD_BYTES = 400_000_000
"""Windows with a stride, of a batch, or with what repeats their frames may hold so many bytes
(1080p: 64 frames, 4K: 16)."""
WINDOWS = 6
"""A GPU computes at least so many at once, unless frames are handed out early: of a small network's
operations, most take longer to begin than to do."""

KeyT = TypeVar("KeyT")


def _fork_with_care() -> None:
    """A forked process has none of the threads of its parent's torch and OpenCV, and would wait for
    them for ever: it computes with one."""
    threads: list[int] = []

    def end_threads() -> None:
        threads.append(cv2.getNumThreads())
        cv2.setNumThreads(1)  # ends them; 0 does not, and then the child waited

    def begin_threads() -> None:
        cv2.setNumThreads(threads.pop())

    os.register_at_fork(before=end_threads, after_in_parent=begin_threads)
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


if hasattr(os, "register_at_fork"):
    _fork_with_care()


@dataclass(frozen=True)
class Shot:
    """A part of a video without cuts: its number from 0, the index of its first frame, and the
    stride of its windows, which is below that of the settings where frames are large."""

    number: int
    first: int
    stride: int


@dataclass(eq=False)
class Item(Generic[KeyT]):
    """A frame on its way to its probabilities.

    ``key`` is what comes out with them, ``image`` ``(H, W, 3)`` the frame where it guides the
    upsampling and has not yet, ``small`` ``(h, w, 3)`` what the network sees; uint8 RGB both,
    arrays, or tensors on a device that resizes. ``thumbnail``: for finding cuts. ``again``: it
    repeats the last frame that does not, which has its key among its ``repeats`` until it is out.
    """

    key: KeyT
    index: int
    image: Picture | None
    small: Picture
    thumbnail: Thumbnail | None
    geometry: Geometry
    again: bool
    repeats: deque[KeyT] = field(default_factory=deque)


def segment(
    frames: Iterable[np.ndarray],
    network: Network,
    settings: Settings | None = None,
    on_shot: Callable[[Shot], None] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield ``(frame_index, probabilities)`` for every frame, in order, as early as possible.

    ``frames``: ``(H, W, 3)`` uint8 RGB, all of one size, any number of them; at most
    ``(clip_length + 2 * context) * stride + median // 2 + 2`` are held at a time, and ``stride``
    is smaller where that would take more than `HELD_BYTES`. With a network on a CUDA GPU, the
    frames of `windows_at_once` are, and unless ``emit`` is "early" as many come later.
    ``probabilities``: ``(H, W)`` float32 in [0, 1]. ``settings``: by default what the network's
    file recommends. ``on_shot`` is called with each `Shot`, the first one too, before its
    probabilities are yielded.
    Raises `InputError` for an array of another shape or dtype, or a change of size.
    """
    if isinstance(frames, str | os.PathLike):
        raise InputError(
            f"{frames} is the name of a file, expected frames", "call segment_video for files"
        )
    return segment_keyed(enumerate(frames), network, settings, on_shot)


def segment_keyed(
    frames: Iterable[tuple[KeyT, np.ndarray]],
    network: Network,
    settings: Settings | None = None,
    on_shot: Callable[[Shot], None] | None = None,
) -> Iterator[tuple[KeyT, np.ndarray]]:
    """`segment` for frames that come with something, a name say, which comes out with theirs."""
    settings = settings or Settings.recommended_by(network)
    device = device_of(network)
    context = context_of(network, settings)
    items = _with_shots(_shrunk(frames, settings, device), settings, context)
    for shot, members in groupby(items, key=itemgetter(0)):
        if on_shot is not None:
            on_shot(shot)
        windowing = settings.clip_length, settings.overlap, settings.tail, shot.stride
        clips = iter_clips(_distinct(map(itemgetter(1), members)), *windowing, context)
        at_once = windows_at_once(settings, device)
        maps = median_over_time(_stitched(clips, network, settings, at_once), settings.median)
        patient = resizes(device) and settings.emit == "final"
        in_flight = settings.clip_length * at_once if patient else 0
        full = downloaded(_at_source(maps, settings), in_flight)
        rule = settings.threshold, settings.drop_unsure, settings.short_edge
        for key, probabilities in _with_repeats(drop_unsure(full, *rule)):
            yield key, _finished(probabilities, settings)


def _distinct(items: Iterable[Item[KeyT]]) -> Iterator[Item[KeyT]]:
    """The frames of a shot without repetitions, of which each has those that follow it."""
    last = None
    for item in items:
        if item.again and last is not None:
            last.repeats.append(item.key)
        else:
            last = item
            yield item


def _with_repeats(
    maps: Iterable[tuple[Item[KeyT], np.ndarray]],
) -> Iterator[tuple[KeyT, np.ndarray]]:
    """All frames of a shot, repetitions with the map of what they repeat."""
    last: tuple[Item[KeyT], np.ndarray] | None = None
    for item, probabilities in maps:
        if last is not None:  # what came in after its mask was out
            yield from _repeated(*last)
        repeated = _repeated(item, probabilities)
        yield item.key, probabilities
        yield from repeated
        last = item, probabilities
    if last is not None:
        yield from _repeated(*last)


def _repeated(item: Item[KeyT], probabilities: np.ndarray) -> list[tuple[KeyT, np.ndarray]]:
    """Each with a copy: whoever gets a map may change it."""
    found = [(key, probabilities.copy()) for key in item.repeats]
    item.repeats.clear()
    return found


def _shrunk(
    frames: Iterable[tuple[KeyT, np.ndarray]], settings: Settings, device: torch.device
) -> Iterator[Item[KeyT]]:
    geometry = None
    repeats: Repeats | None = None
    for index, (key, frame) in enumerate(frames):
        if not isinstance(frame, np.ndarray):
            raise _no_array(index, frame)
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise InputError(
                f"frame {index} is {frame.dtype} {frame.shape}", "give (H, W, 3) uint8 RGB"
            )
        height, width = frame.shape[:2]
        if geometry is None:
            geometry = Geometry.fit(
                height, width, settings.short_edge, settings.multiple, settings.pad
            )
            if settings.skip_repeats and settings.emit == "final":
                # What goes by their keys may hold them.
                repeats = Repeats(_affordable(1 + MOST, settings.clip_length, geometry) - 1)
        if (height, width) != geometry.source:
            raise InputError(
                f"frame {index} is {width}x{height} after frames of "
                f"{geometry.source[1]}x{geometry.source[0]}",
                "all frames of a video must have one size",
            )
        image = uploaded(frame, device)
        small = geometry.to_network(image)
        seen = small if isinstance(small, np.ndarray) else reduced(frame)
        thumbnail = Thumbnail.of(seen) if settings.shots else None
        guide = image if settings.upsampling == "guided" else None
        again = repeats is not None and repeats(seen)
        yield Item(key, index, guide, small, thumbnail, geometry, again)


def _no_array(index: int, frame: object) -> InputError:
    kind = type(frame)
    if frame is None:
        remedy = "stop where the video ends: cv2's read() then gives False, None"
    elif kind.__module__.startswith("PIL."):
        remedy = 'give np.asarray(image.convert("RGB"))'
    else:
        remedy = "give arrays (H, W, 3) uint8 RGB"
    return InputError(f"frame {index} is a {kind.__qualname__}, not an array", remedy)


def _with_shots(
    items: Iterator[Item[KeyT]], settings: Settings, context: int
) -> Iterator[tuple[Shot, Item[KeyT]]]:
    marked = mark_shots(items, attrgetter("thumbnail")) if settings.shots else zip(repeat(0), items)
    shot = None
    for number, item in marked:
        if shot is None or shot.number != number:
            span = settings.clip_length + 2 * context
            shot = Shot(number, item.index, _affordable(settings.stride, span, item.geometry))
        yield shot, item


def context_of(network: Network, settings: Settings) -> int:
    """How many frames before and after its own a clip has: none where masks are not awaited, nor
    where each frame is seen alone."""
    taken = settings.emit == "final" and settings.clip_length > 1
    return settings.context if taken and getattr(network, "takes_context", False) else 0


def windows_at_once(settings: Settings, device: torch.device) -> int:
    """How many windows are a batch, but for large frames: on a GPU all of a block, at least."""
    if not resizes(device):
        return 1
    return settings.stride if settings.emit == "early" else max(settings.stride, WINDOWS)


def _affordable(windows: int, span: int, geometry: Geometry) -> int:
    """Windows of ``span`` frames each, as many as may be held."""
    height, width = geometry.source
    return max(1, min(windows, HELD_BYTES // (span * height * width * 3)))


def _stitched(
    clips: Iterator[Clip[Item[KeyT]]],
    network: Network,
    settings: Settings,
    at_once: int,
) -> Iterator[tuple[Item[KeyT], Picture]]:
    """Every frame of a shot with its probabilities ``(h, w)``, at the network's size.

    ``at_once`` clips are a batch, fewer where frames are large.
    """
    stitcher: Stitcher[Item[KeyT], Picture] = Stitcher()
    while batch := list(islice(clips, 1)):
        geometry = batch[0].frames[0].geometry
        batch += islice(clips, _affordable(at_once, settings.clip_length, geometry) - 1)
        context = len(batch[0].before)
        frames = stack([picture for clip in batch for picture in _pictures(clip)])
        frames = frames.reshape(len(batch), -1, *frames.shape[1:])
        predicted = predict_clips(frames, network, settings.tta, settings.multiple, context)
        for clip, probabilities in zip(batch, predicted, strict=True):
            stitcher.add(clip.window, clip.frames, probabilities)
            settled = clip.settled
            del clip  # else its frames are held while the next ones are read
            yield from stitcher.finish(settled if settings.emit == "final" else None)
        batch.clear()
    yield from stitcher.finish()


def _pictures(clip: Clip[Item[KeyT]]) -> list[Picture]:
    """What the network sees of a clip, with its context; black where that is not there."""
    items = [*clip.before, *clip.frames, *clip.after]
    small = clip.frames[0].small
    black = np.zeros_like(small) if isinstance(small, np.ndarray) else torch.zeros_like(small)
    return [black if item is None else item.small for item in items]


def _at_source(
    maps: Iterable[tuple[Item[KeyT], Picture]], settings: Settings
) -> Iterator[tuple[Item[KeyT], Picture]]:
    """Maps ``(h, w)`` at the size of their frames, ``(H, W)``."""
    for item, probabilities in maps:
        full = item.geometry.to_source(probabilities, settings.upsampling, item.image)
        item.image = None  # as context, what the network sees will do
        yield item, full


def _finished(full: np.ndarray, settings: Settings) -> np.ndarray:
    """``(H, W)`` without the regions that are not wanted; `InputError` for what is no numbers."""
    if math.isnan(full.min()):  # asked here, where a GPU has been waited for
        raise InputError("the network's output is no numbers (NaN)", "use other weights")
    return drop_regions(full, settings.threshold, settings.keep_largest, settings.drop_specks)


def predict_clip(
    clip: np.ndarray, network: Network, tta: int = 1, multiple: int = 16
) -> np.ndarray:
    """``(T, h, w, 3)`` uint8 RGB to foreground probabilities ``(T, h, w)`` float32."""
    return predict_clips(clip[None], network, tta, multiple)[0]


@torch.inference_mode()
def predict_clips(
    clips: PictureT, network: Network, tta: int = 1, multiple: int = 16, context: int = 0
) -> PictureT:
    """``(B, T, h, w, 3)`` uint8 RGB to foreground probabilities ``(B, T, h, w)`` float32.

    With ``context``, so many more frames come before the T and after them (`Network`).
    Arrays to arrays; tensors to tensors, where they are, without waiting for a GPU.
    """
    batch = torch.as_tensor(clips, device=device_of(network)).permute(0, 4, 1, 2, 3)
    own = batch[0, 0, context : batch.shape[2] - context]  # (T, h, w)
    logits = [  # (B, K, T, h, w)
        mean_logits(part.float() / 255, network, tta, multiple, context)
        for part in batch.split(max(1, PIXELS_AT_ONCE // own.numel()))
    ]
    found: Any = to_probabilities(torch.cat(logits)).float()
    return found.cpu().numpy() if isinstance(clips, np.ndarray) else found


def to_probabilities(logits: Tensor) -> Tensor:
    """Logits ``(B, K, T, H, W)`` to foreground probabilities ``(B, T, H, W)`` in [0, 1].

    A sigmoid for one channel; for two, a softmax over the channels. The published weights need
    the softmax although they were trained with a binary loss on the last channel only.
    """
    if logits.shape[1] == 1:
        return logits.sigmoid().squeeze(1)
    return logits.softmax(dim=1)[:, -1]
