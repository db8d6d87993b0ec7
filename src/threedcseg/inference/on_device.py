"""Frames on their way to a GPU and maps on their way back, while it computes.

A frame goes up once, as uint8, and its probabilities come back once, at the frame's size. Nothing
between waits for the GPU.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
import torch

from threedcseg.inference.resizing import Picture
from threedcseg.inference.tta import Network

PIXELS_AT_ONCE = 8_000_000
"""Clips of so many are one batch, six of 8x288x512."""

IN_FLIGHT_BYTES = 100_000_000
"""Maps on their way back may take so much of the CPU's memory."""

FrameT = TypeVar("FrameT")


def device_of(network: Network) -> torch.device:
    """Where a network computes; a callable that is no module takes clips on the CPU."""
    if isinstance(network, torch.nn.Module):
        for parameter in network.parameters():
            return parameter.device
    return torch.device("cpu")


def resizes(device: torch.device) -> bool:
    """Whether frames and maps are resized on the device: on CUDA GPUs. A CPU has OpenCV, which is
    faster there than PyTorch."""
    return device.type == "cuda"


def uploaded(frame: np.ndarray, device: torch.device) -> Picture:
    """``(H, W, 3)`` uint8 as a tensor, under way to a device that resizes; else itself."""
    if not resizes(device):
        return frame
    waiting = torch.empty(frame.shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
    waiting.numpy()[:] = frame
    return waiting.to(device, non_blocking=True)


def downloaded(
    maps: Iterable[tuple[FrameT, Picture]], in_flight: int
) -> Iterator[tuple[FrameT, np.ndarray]]:
    """Maps as arrays; one is waited for when ``in_flight`` more, fewer where they are large
    (`IN_FLIGHT_BYTES`), have been asked for."""
    coming: deque[tuple[FrameT, Callable[[], np.ndarray]]] = deque()
    for frame, values in maps:
        coming.append((frame, _download(values)))
        if len(coming) > min(in_flight, IN_FLIGHT_BYTES // values.nbytes):
            first, wait = coming.popleft()
            yield first, wait()
    for frame, wait in coming:
        yield frame, wait()


def _download(values: Picture) -> Callable[[], np.ndarray]:
    """Begin to copy a map; what is returned waits for it."""
    if isinstance(values, np.ndarray):
        return lambda: values
    copy = values.to("cpu", non_blocking=True)  # into pinned memory, from a GPU
    there = torch.cuda.Event() if values.is_cuda else None
    if there is not None:
        there.record(torch.cuda.current_stream(values.device))

    def wait() -> np.ndarray:
        if there is not None:
            there.synchronize()
        array: np.ndarray = copy.numpy()
        return array

    return wait
