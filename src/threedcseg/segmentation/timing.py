"""How long networks and the whole path take on the user's device (Tables 1 and 4)."""

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from threedcseg.inference.predictor import Network
from threedcseg.inference.settings import Settings
from threedcseg.outputs.formats import FORMATS, SegmentedFrame
from threedcseg.outputs.rendering import Rendering
from threedcseg.segmentation.video import segment_source, segment_video
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


@dataclass(frozen=True)
class PathTiming:
    """Seconds a frame of the whole path, and of its parts, each timed by itself."""

    num_frames: int
    reading: Timing
    network: Timing
    writing: Timing
    end_to_end: Timing


def time_video(
    path: Path, network: Network, settings: Settings, device: torch.device, repeats: int
) -> PathTiming:
    """Time reading, network and writing of a video of one clip or more, in turns.

    "network" is its calls alone; what is left to "end to end" is resizing, stitching and the
    finding of cuts. Parts may overlap in time, so that they need not add up.
    Raises `InputError` where the video cannot be read.
    """
    parts: dict[str, list[float]] = {"reading": [], "network": [], "writing": [], "whole": []}
    num_frames = 0
    spent = 0.0

    def timed(clip: Tensor) -> Tensor:
        nonlocal spent
        _synchronise(device)
        start = time.perf_counter()
        logits = network(clip)
        _synchronise(device)
        spent += time.perf_counter() - start
        return logits

    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(repeats + 1):  # the first warms up
            start = time.perf_counter()
            with open_video(path) as source:
                num_frames = sum(1 for _ in source)
            reading = time.perf_counter() - start
            spent = writing = 0.0
            with open_video(path) as source, ExitStack() as stack:
                masks = FORMATS["masks"].open_in(Path(folder), source, Rendering())
                write = stack.enter_context(masks)
                for frame, probabilities in segment_source(source, timed, settings):
                    mask = probabilities > settings.threshold
                    start = time.perf_counter()
                    write(SegmentedFrame(frame, probabilities, mask, ()))
                    writing += time.perf_counter() - start
            start = time.perf_counter()
            segment_video(path, Path(folder) / str(repeat), network, settings)
            whole = time.perf_counter() - start
            if repeat:
                for name, value in zip(parts, (reading, spent, writing, whole), strict=True):
                    parts[name].append(value / num_frames)
    return PathTiming(num_frames, *(Timing(tuple(values)) for values in parts.values()))


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
