"""A choice of objects as a filter over results, for who has frames and not a file."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from threedcseg.outputs.choice import ObjectChoice
from threedcseg.outputs.formats import SegmentedFrame
from threedcseg.outputs.tracking import ObjectTracker
from threedcseg.segmentation.first_pass import FirstPass
from threedcseg.video.frame import Frame
from threedcseg.video.part import WHOLE, Extent


@dataclass(frozen=True)
class _Facts:
    """What a choice must know of where frames are from."""

    width: int
    height: int
    rate: Fraction
    num_frames: int | None = None
    extent: Extent = WHOLE
    path: Path = field(default_factory=lambda: Path("frames"))


def choose_objects(
    frames: Iterable[np.ndarray],
    results: Iterable[tuple[int, np.ndarray]],
    choice: ObjectChoice,
    *,
    threshold: float = 0.5,
    rate: Fraction | float = 24,
    cuts: Collection[int] = (),
) -> Iterator[tuple[int, np.ndarray]]:
    """What `segment` yields, without the objects that are not wanted.

    ``frames``: ``(H, W, 3)`` uint8 RGB, those of ``results``, ``(index, probabilities)``. All of
    both is taken before the first result is yielded, since a later frame may say which object is
    meant; it is kept in a temporary file, with 256 levels of probability, and memory is that of a
    few frames. A mask is where probabilities exceed ``threshold``; ``rate``, frames a second, is
    for a choice by seconds; ``cuts`` are asked which frames begin a shot (let ``on_shot`` of
    `segment` fill a list). Raises `InputError` where nothing is at a place.
    """
    tracker, first_pass = ObjectTracker(), None
    indices: list[int] = []
    with ExitStack() as stack:
        for image, (index, probabilities) in zip(frames, results, strict=False):
            if first_pass is None:
                height, width = probabilities.shape
                facts = _Facts(width, height, Fraction(rate).limit_denominator(1001))
                passing = FirstPass(facts, choice)  # type: ignore[arg-type]
                first_pass = stack.enter_context(passing)
            mask = probabilities > threshold
            begins_shot = index in cuts or not indices
            objects = tracker.update(mask, image, begins_shot)
            frame = Frame(index, image, f"{index:05d}", index / facts.rate)
            first_pass.add(SegmentedFrame(frame, probabilities, mask, objects), begins_shot)
            indices.append(index)
        if first_pass is None:
            return
        nothing = np.broadcast_to(np.uint8(0), (height, width, 3))
        pictures = (Frame(i, nothing, f"{i:05d}", i / facts.rate) for i in indices)
        for found, _ in first_pass.frames(pictures):
            yield found.frame.index, found.probabilities
