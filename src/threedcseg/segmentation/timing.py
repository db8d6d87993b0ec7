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


def time_repeats(
    work: Callable[[], object], device: torch.device, repeats: int, warm_up: int = 1
) -> Timing:
    """Time ``work``, waiting for the device before and after; warm-up runs are not counted."""
    seconds = []
    for repeat in range(warm_up + repeats):
        _synchronise(device)
        start = time.perf_counter()
        work()
        _synchronise(device)
        if repeat >= warm_up:
            seconds.append(time.perf_counter() - start)
    return Timing(tuple(seconds))


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


class FirstFrames:
    """A video as if it ended after ``count`` frames; a `FrameSource`."""

    def __init__(self, source: FrameSource, count: int) -> None:
        self.source, self.count = source, count
        self.reading = 0.0  # seconds that the last iteration waited for frames

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def __iter__(self) -> Iterator[Frame]:
        self.reading, start = 0.0, time.perf_counter()
        for frame in islice(self.source, self.count):
            self.reading += time.perf_counter() - start
            yield frame
            start = time.perf_counter()


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
    parts: dict[str, list[float]] = {
        name: [] for name in ("reading", "network", "resizing", "writing", "end_to_end")
    }
    timed = _Timed(network, device)
    block = settings.clip_length * settings.stride
    with tempfile.TemporaryDirectory() as folder, open_video(path) as video:
        start = time.perf_counter()
        num_frames = sum(1 for _ in segment_source(FirstFrames(video, block), timed, settings))
        warming = time.perf_counter() - start
        if num_frames == block:
            affordable = budget / 4 / warming  # blocks: the parts and the whole take as long each
            count = block * max(1, int(affordable)) if math.isfinite(affordable) else sys.maxsize
            num_frames = _count(video, count)
        source = FirstFrames(video, num_frames)
        taken = 0.0
        while not parts["reading"] or (
            len(parts["reading"]) < repeats and time.perf_counter() - began + taken < budget
        ):
            start = round_start = time.perf_counter()
            timed.spent = writing = 0.0
            with ExitStack() as stack:
                place = Path(folder) / "parts"
                place.mkdir(exist_ok=True)
                sink = stack.enter_context(FORMATS[write].open_in(place, source, Rendering()))
                for frame, probabilities in segment_source(source, timed, settings):
                    writing_start = time.perf_counter()
                    mask = settings.mask(probabilities)
                    sink(SegmentedFrame(frame, probabilities, mask, ()))
                    writing += time.perf_counter() - writing_start
                closing = time.perf_counter()
            writing += time.perf_counter() - closing
            apart = time.perf_counter() - start
            resizing = apart - source.reading - timed.spent - writing
            values = [source.reading, timed.spent, resizing, writing]
            start = time.perf_counter()
            whole = Path(folder) / "whole"
            segment_to_folder(source, str(path), whole, network, settings, write=(write,))
            values.append(time.perf_counter() - start)
            for name, value in zip(parts, values, strict=True):
                parts[name].append(value / num_frames)
            taken = time.perf_counter() - round_start
    return PathTiming(num_frames, **{name: Timing(tuple(v)) for name, v in parts.items()})


class _Timed(nn.Module):
    """A network, which is on the same device, and the seconds ``spent`` in it."""

    def __init__(self, network: Network, device: torch.device) -> None:
        super().__init__()
        self.network, self.device, self.spent = network, device, 0.0

    def forward(self, clip: Tensor) -> Tensor:
        _synchronise(self.device)
        start = time.perf_counter()
        logits: Tensor = self.network(clip)
        _synchronise(self.device)
        self.spent += time.perf_counter() - start
        return logits


def _count(source: FrameSource, most: int) -> int:
    return sum(1 for _ in islice(source, most))


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
