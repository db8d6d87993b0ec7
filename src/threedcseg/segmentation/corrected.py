"""What a person has corrected, carried on to the frames around by the motion of the objects."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from threedcseg.outputs.corrections import Corrections, Draw
from threedcseg.outputs.formats import SegmentedFrame
from threedcseg.outputs.regions import TrackedObject, nearest_number, number_map
from threedcseg.outputs.tracking import ObjectTracker
from threedcseg.segmentation.stored import StoredFrames
from threedcseg.video.frame import Frame

REACH = 24
"""Frames to which a correction is carried, less and less, or to the next corrected one."""
_FAR = 64.0  # pixels; beyond, all distances from an edge are the same
_MARGIN = 8.0  # pixels by which shapes may differ from that which was corrected
_SOFT = 1.5  # pixels on either side of an edge over which the probability falls


@dataclass(frozen=True)
class _Place:
    """A corrected frame: its number, its shot, where it is stored, and what draws its mask."""

    index: int
    shot: int
    offset: int
    draw: Draw


@dataclass(frozen=True, eq=False)
class _Change:
    """What was changed in a corrected frame.

    Attributes:
        index: number of the frame.
        mask: ``(H, W)`` bool, as it is now.
        change: ``(H, W)`` float32, by how much the signed distance from the edge grew.
        centres: x, y of the middle of each object that had been found.
    """

    index: int
    mask: np.ndarray
    change: np.ndarray
    centres: dict[int, np.ndarray]


class CorrectedFrames:
    """Stored frames with corrections: those that were corrected as they are now, those around with
    the same change of their edges, moved along with the objects.

    A change is that of the signed distance from the edge. Between two corrected frames both changes
    count, each the less the farther away its frame is; none goes farther than `REACH` frames, or
    beyond a cut. Objects are followed anew, in the masks as they are then.
    """

    def __init__(self, corrections: Corrections, stored: StoredFrames) -> None:
        self._corrections, self._stored = corrections, stored
        self._places: list[_Place] = []
        self._met: set[str | int] = set()
        self._shot = -1

    def add(self, result: SegmentedFrame, begins_shot: bool) -> None:
        """Store the next frame."""
        self._shot += begins_shot
        draw = self._corrections.of(result.frame)
        if draw is not None:
            self._met |= {result.frame.name, result.frame.index}
            offset = self._stored.end
            self._places.append(_Place(result.frame.index, self._shot, offset, draw))
        self._stored.add(result, begins_shot)

    def check_all_met(self) -> None:
        """After the last frame: `InputError` if some masks are of none."""
        self._corrections.check_met(self._met)

    def frames(self, source: Iterable[Frame]) -> Iterator[tuple[SegmentedFrame, bool]]:
        """All frames, corrected, with the pictures of ``source``, and whether each begins a
        shot."""
        tracker, shot, coming = ObjectTracker(), -1, 0
        before: _Change | None = None
        after: _Change | None = None
        for found, begins_shot in self._stored.frames(source):
            index = found.frame.index
            if begins_shot:
                shot, before, after = shot + 1, None, None
            if coming < len(self._places) and self._places[coming].index == index:
                before, after = after or self._change(self._places[coming], found), None
                coming += 1
            following = self._places[coming : coming + 1]
            if after is None and following and following[0].shot == shot:
                after = self._change(following[0], found)
            result = _corrected(found, before, after)
            objects = tracker.update(result.mask, found.frame.image, begins_shot)
            yield replace(result, objects=objects), begins_shot

    def _change(self, place: _Place, like: SegmentedFrame) -> _Change:
        height, width = like.mask.shape
        found = self._stored.at(place.offset, like.frame)
        mask = place.draw(height, width)
        was = signed_distance(found.mask)
        # What is gone is not far from any edge but without one: half way, it should be half gone.
        most = 2 * abs(was) + _MARGIN
        change = np.clip(signed_distance(mask) - was, -most, most)
        return _Change(place.index, mask, change, _centres(found.objects))


def _corrected(
    found: SegmentedFrame, before: _Change | None, after: _Change | None
) -> SegmentedFrame:
    """A frame with the changes of the corrected ones before (or at) it and after it."""
    index = found.frame.index
    if before is not None and before.index == index:
        probabilities = _probability(signed_distance(before.mask))
        return replace(found, mask=before.mask, probabilities=probabilities)
    span = REACH if before is None or after is None else min(REACH, after.index - before.index)
    total = np.zeros(found.mask.shape, np.float32)
    for change in (before, after):
        if change is not None and (weight := 1 - abs(change.index - index) / span) > 0:
            total += np.float32(weight) * _moved(change, found)
    if not total.any():
        return found
    distance = signed_distance(found.mask) + total
    probabilities = np.where(abs(total) > 0.5, _probability(distance), found.probabilities)
    return replace(found, mask=distance > 0, probabilities=probabilities)


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """``(H, W)`` float32: pixels to the edge of ``(H, W)`` bool, positive inside, 64 at most."""
    inside = mask.view(np.uint8)
    within = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5)
    beyond = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_5)
    shifted = within - beyond + np.where(mask, np.float32(-0.5), np.float32(0.5))
    return np.clip(shifted, -_FAR, _FAR)


def _probability(distance: np.ndarray) -> np.ndarray:
    return np.clip(0.5 + distance / (2 * _SOFT), 0, 1).astype(np.float32)


def _centres(objects: Sequence[TrackedObject]) -> dict[int, np.ndarray]:
    centres = {}
    for item in objects:
        rows, columns = np.nonzero(item.region)
        centres[item.track] = np.array([item.x + columns.mean(), item.y + rows.mean()])
    return centres


def _moved(change: _Change, found: SegmentedFrame) -> np.ndarray:
    """The change where it is in another frame: each pixel has gone with the nearest object."""
    steps = {
        number: centre - change.centres[number]
        for number, centre in _centres(found.objects).items()
        if number in change.centres
    }
    if not steps:
        return change.change
    height, width = found.mask.shape
    nearest = nearest_number(number_map(found.objects, height, width))
    step_of = np.zeros((int(nearest.max()) + 1, 2), np.float32)
    step_of[:] = np.mean(list(steps.values()), axis=0)  # for those that had not been there
    for number, step in steps.items():
        step_of[number] = step
    rows, columns = np.indices((height, width), np.float32)
    step = step_of[nearest]
    return cv2.remap(
        change.change,
        columns - step[..., 0],
        rows - step[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
