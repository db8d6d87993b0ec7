"""What the path of a GPU costs a frame without the network: transfers, resizing, cuts, upsampling.

    python benchmarks/gpu_path.py                # on a GPU: frames a second of the path alone
    python benchmarks/gpu_path.py --device cpu   # what is left to the CPU, in processor time

On a CPU frames are tiny, so that an operation costs what it costs to begin it; what the CPU does
with a whole frame for a GPU is timed by itself and added.
"""

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch

from threedcseg.inference import on_device, predictor
from threedcseg.inference.predictor import segment
from threedcseg.inference.repeats import alike
from threedcseg.inference.settings import Settings
from threedcseg.inference.shots import Thumbnail, reduced


class Nothing(torch.nn.Module):
    """As fast as a network can be."""

    def __init__(self) -> None:
        super().__init__()
        self.here = torch.nn.Parameter(torch.zeros(()))

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return clip[:, :1] - 0.5


def milliseconds(work: Callable[[], object], clock: Callable[[], float], times: int) -> float:
    work()
    start = clock()
    for _ in range(times):
        work()
    return 1000 * (clock() - start) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    device = torch.device(args.device)
    shades = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
    scene = cv2.resize(shades, (854, 480), interpolation=cv2.INTER_CUBIC)
    frames = [np.ascontiguousarray(np.roll(scene, 8 * t, axis=1)) for t in range(96)]
    network, settings = Nothing().to(device), Settings()

    def path() -> None:
        for _ in range(5):
            for _ in segment(frames, network, settings):
                pass

    if device.type == "cuda":
        cost = milliseconds(path, time.perf_counter, 3) / (5 * len(frames))
        print(f"{cost:.2f} ms a frame of 854x480, {1000 / cost:.0f} frames/s")
        return
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    full = np.zeros((480, 854), np.float32)
    small = [reduced(frame) for frame in frames[:2]]
    whole = {
        "into pinned memory": lambda: on_device.uploaded(frames[0], device),
        "reducing": lambda: reduced(frames[0]),
        "thumbnail": lambda: Thumbnail.of(small[0]),
        "finding repetitions": lambda: alike(small[0], small[1]),
        "looking for NaN": lambda: full.min(),
    }
    for module in (on_device, predictor):
        module.resizes = lambda device: True  # type: ignore[attr-defined]
    parts = {name: milliseconds(work, time.process_time, 100) for name, work in whole.items()}
    frames = [cv2.resize(frame, (64, 36), interpolation=cv2.INTER_AREA) for frame in frames]
    settings = Settings(short_edge=16)
    parts["to begin operations, and cuts"] = milliseconds(path, time.process_time, 1) / 480
    for name, cost in {**parts, "together": sum(parts.values())}.items():
        print(f"{name}: {cost:.2f} ms a frame")


if __name__ == "__main__":
    main()
