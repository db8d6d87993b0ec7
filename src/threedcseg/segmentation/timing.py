"""How long networks and the whole path take on the user's device (Tables 1 and 4)."""

import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from threedcseg.inference.predictor import Network
from threedcseg.inference.settings import Settings
from threedcseg.outputs.formats import FORMATS, SegmentedFrame
from threedcseg.outputs.rendering import Rendering
from threedcseg.segmentation.video import segment_source, segment_to_folder
from threedcseg.video.frame import Frame, FrameSource
from threedcseg.video.reader import open_video


@dataclass(frozen=True)
class Timing:
    """Seconds of repeated runs of the same work."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def least(self) -> float:
        return min(self.seconds)

    @property
    def most(self) -> float:
        return max(self.seconds)


def time_repeats(work: Callable[[], object], device: torch.device, repeats: int) -> Timing:
    """Time ``work``, waiting for the device before and after; a first run is not counted."""
    seconds = []
    for _ in range(1 + repeats):
        _synchronise(device)
        start = time.perf_counter()
        work()
        _synchronise(device)
        seconds.append(time.perf_counter() - start)
    return Timing(tuple(seconds[1:]))


def time_clip(
    module: nn.Module,
    clip_length: int,
    size: tuple[int, int],
    device: torch.device,
    dtype: torch.dtype,
    repeats: int,
) -> Timing:
    """Time a network or encoder on a clip ``(1, 3, clip_length, *size)`` of noise.

    In a ``dtype`` other than float32, by autocast.
    """
    clip = torch.rand(1, 3, clip_length, *size, generator=torch.Generator().manual_seed(0))
    clip = clip.to(device, memory_format=torch.channels_last_3d)
    lower = torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
    with torch.inference_mode(), lower:
        return time_repeats(lambda: module(clip), device, repeats)


def seconds_a_frame(clip_seconds: float, clip_length: int, overlap: int = 3) -> float:
    """What a clip takes by the new frames it brings: 5 of 8 for the paper's overlap of 3.

    So the paper counts (table 4). Clips no longer than the overlap bring one.
    """
    return clip_seconds / max(1, clip_length - overlap)


@dataclass(frozen=True)
class PathTiming:
    """Seconds a frame of the whole path, and of its parts, each as if it were alone.

    ``resizing`` is all between reading, network and writing: to the network's size and back,
    stitching, cuts. In ``end_to_end`` reading and writing go on while the network computes.
    """

    num_frames: int
    reading: Timing
    network: Timing
    resizing: Timing
    writing: Timing
    end_to_end: Timing


class Stopwatch:
    """Adds up the seconds of its blocks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._start


class FirstFrames:
    """A video as if it ended after ``count`` frames; a `FrameSource`."""

    def __init__(self, source: FrameSource, count: int) -> None:
        self._source, self._count = source, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __iter__(self) -> Iterator[Frame]:
        return islice(self._source, self._count)


def time_video(
    path: Path,
    network: Network,
    settings: Settings,
    device: torch.device,
    repeats: int,
    write: str = "masks",
    budget: float = math.inf,
) -> PathTiming:
    """Time the path from a video to the output ``write``, its parts and the whole, in turns.

    ``budget``: seconds that all of it is to take. As many frames of the video are used, and as many
    of the ``repeats`` done, as fit into it by the time of the first block of windows, which warms
    up; one block and one repeat at least. Raises `InputError` where the video cannot be read.
    """
    began = time.perf_counter()
    block = settings.clip_length * settings.stride
    with tempfile.TemporaryDirectory() as folder, open_video(path) as video:
        warming = Stopwatch()
        with warming:
            num_frames = sum(1 for _ in segment_source(islice(video, block), network, settings))
        if num_frames == block:
            # Blocks: the parts and the whole take as long each.
            affordable = budget / 4 / warming.seconds
            count = block * max(1, int(affordable)) if math.isfinite(affordable) else sys.maxsize
            num_frames = sum(1 for _ in islice(video, count))
        rounds: list[list[float]] = []
        taken = 0.0
        while not rounds or (
            len(rounds) < repeats and time.perf_counter() - began + taken < budget
        ):
            start = time.perf_counter()
            source = FirstFrames(video, num_frames)
            rounds.append(_round(source, network, settings, device, write, Path(folder)))
            taken = time.perf_counter() - start
    parts = zip(*rounds, strict=True)
    return PathTiming(num_frames, *(Timing(tuple(s / num_frames for s in each)) for each in parts))


def _round(
    source: FirstFrames,
    network: Network,
    settings: Settings,
    device: torch.device,
    write: str,
    folder: Path,
) -> list[float]:
    """Seconds of reading, network, resizing and writing, one after the other; and of all at once,
    as they are for users."""
    reading, computing, writing, apart, whole = (Stopwatch() for _ in range(5))

    def read() -> Iterator[Frame]:
        frames = iter(source)
        while True:
            with reading:
                frame = next(frames, None)
            if frame is None:
                return
            yield frame

    timed = _Timed(network, device, computing)
    place = folder / "parts"
    place.mkdir(exist_ok=True)
    with apart, ExitStack() as stack:
        sink = stack.enter_context(FORMATS[write].open_in(place, source, Rendering()))
        for frame, probabilities in segment_source(read(), timed, settings):
            with writing:
                sink(SegmentedFrame(frame, probabilities, settings.mask(probabilities)))
        with writing:
            stack.close()
    with whole:
        segment_to_folder(source, "video", folder / "whole", network, settings, write=(write,))
    resizing = apart.seconds - reading.seconds - computing.seconds - writing.seconds
    return [reading.seconds, computing.seconds, resizing, writing.seconds, whole.seconds]


class _Timed(nn.Module):
    """A network, on the device that it is on; ``watch`` runs while it computes."""

    def __init__(self, network: Network, device: torch.device, watch: Stopwatch) -> None:
        super().__init__()
        self.network, self.device, self.watch = network, device, watch
        self.takes_context = getattr(network, "takes_context", False)

    def forward(self, clip: Tensor, **given: int) -> Tensor:
        _synchronise(self.device)
        with self.watch:
            logits: Tensor = self.network(clip, **given)
            _synchronise(self.device)
        return logits


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
