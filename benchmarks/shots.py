"""Which hard cuts are found, in DAVIS sequences joined to one another, and at what cost.

    python benchmarks/shots.py [--data DAVIS]

Every sequence is followed by every other one, its last frames by the other's first. Cuts within a
scene are made up by leaving out half of a sequence; how much the view has changed by then is left
to the camera. PySceneDetect is measured beside it where it is installed (package `scenedetect`).
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise, permutations
from pathlib import Path

import cv2
import numpy as np

from threedcseg.inference.shots import FLASH, RECENT, mark_shots
from threedcseg.training.clips.sources import open_source
from threedcseg.training.recipe import DataSource

Frames = Sequence[np.ndarray]
Detector = Callable[[Iterable[np.ndarray]], set[int]]
BEFORE, AFTER = RECENT + 1, FLASH + 2


def read(folder: Path) -> Frames:
    """At 512x288, as the network of the default settings sees them."""
    images = (cv2.imread(str(path)) for path in sorted(folder.glob("*.jpg")))
    small = (cv2.resize(image, (512, 288), interpolation=cv2.INTER_AREA) for image in images)
    return [cv2.cvtColor(image, cv2.COLOR_BGR2RGB) for image in small]


def ours(frames: Iterable[np.ndarray]) -> set[int]:
    marks = [shot for shot, _ in mark_shots(frames)]
    return {index for index, (a, b) in enumerate(pairwise(marks), 1) if a != b}


def others() -> dict[str, Detector]:
    """The detectors of PySceneDetect with their own thresholds, and any length of a shot."""
    try:
        from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode
    except ImportError:
        return {}

    def using(kind: type) -> Detector:
        def detect(frames: Iterable[np.ndarray]) -> set[int]:
            detector, found = kind(min_scene_len=1), set()
            for number, frame in enumerate(frames):
                image = np.ascontiguousarray(frame[..., ::-1])
                cuts = detector.process_frame(FrameTimecode(number, 24.0), image)
                found |= {int(getattr(cut, "frame_num", cut)) for cut in cuts}
            return found

        return detect

    return {kind.__name__: using(kind) for kind in (ContentDetector, AdaptiveDetector)}


def gray(frames: Frames) -> Frames:
    levels = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames)
    return [cv2.cvtColor(level, cv2.COLOR_GRAY2RGB) for level in levels]


def report(name: str, detect: Detector, videos: Sequence[Frames]) -> None:
    pairs = [(one[-BEFORE:], other[:AFTER]) for one, other in permutations(videos, 2)]
    found = sum(len(one) in detect([*one, *other]) for one, other in pairs)
    false = sum(len(detect(frames)) for frames in videos)
    halves = [
        ([*frames[start : start + BEFORE]], [*frames[start + BEFORE + len(frames) // 2 :][:AFTER]])
        for frames in videos
        for start in (0, len(frames) // 4)
    ]
    within = sum(len(one) in detect([*one, *other]) for one, other in halves)
    frames_in_all = sum(map(len, videos))
    print(
        f"{name}: {found} of {len(pairs)} cuts ({100 * found / len(pairs):.1f} %), "
        f"{false} false in {frames_in_all} frames, {within} of {len(halves)} within a scene",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("DAVIS"))
    data = parser.parse_args().data
    found = {
        split: open_source(data, DataSource("davis16", ".", split, resolution)).sequences
        for split, resolution in (("train", "288p"), ("dev", "480p"))
    }
    videos = {split: [read(s.frames[0].parent) for s in each] for split, each in found.items()}
    everything = [*videos["train"], *videos["dev"]]
    for name, detect in {"ours": ours, **others()}.items():
        report(f"{name}, dev", detect, videos["dev"])
        report(f"{name}, train and dev", detect, everything)
        report(f"{name}, in gray", detect, [gray(frames) for frames in everything])
        report(f"{name}, every other frame", detect, [frames[::2] for frames in everything])
    seconds = []
    for frames in everything:
        started = time.perf_counter()
        ours(frames)
        seconds.append((time.perf_counter() - started) / len(frames))
    print(f"ours: {1000 * statistics.median(seconds):.2f} ms a frame of 512x288")


if __name__ == "__main__":
    main()
