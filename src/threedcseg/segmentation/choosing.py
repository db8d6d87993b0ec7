"""A choice of objects as a filter over results, for who has frames and not a file."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from threedcseg.outputs.choice import Chooser, ObjectChoice, only_chosen
from threedcseg.outputs.formats import SegmentedFrame
from threedcseg.outputs.tracking import ObjectTracker
from threedcseg.segmentation.stored import StoredFrames
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
    tracker, shape = ObjectTracker(), (0, 0)
    chooser: Chooser | None = None
    indices: list[int] = []
    with TemporaryFile() as file:
        stored = StoredFrames(file)
        for image, (index, probabilities) in zip(frames, results, strict=False):
            shape = probabilities.shape
            if chooser is None:
                facts = _Facts(shape[1], shape[0], Fraction(rate).limit_denominator(1001))
                chooser = Chooser(choice, facts)  # type: ignore[arg-type]
            mask = probabilities > threshold
            begins_shot = index in cuts or not indices
            objects = tracker.update(mask, image, begins_shot)
            frame = Frame(index, image, f"{index:05d}", index / facts.rate)
            found = SegmentedFrame(frame, probabilities, mask, objects)
            chooser(found, begins_shot)
            stored.add(found, begins_shot)
            indices.append(index)
        if chooser is None:
            return
        chosen = chooser.chosen()
        nothing = np.broadcast_to(np.uint8(0), (*shape, 3))
        pictures = (Frame(i, nothing, f"{i:05d}", i / facts.rate) for i in indices)
        for found, _ in stored.frames(pictures):
            yield found.frame.index, only_chosen(found, chosen).probabilities
