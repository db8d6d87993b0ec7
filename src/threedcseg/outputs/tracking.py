"""Connected objects of a mask, followed from frame to frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

SMALLEST = 1e-4  # share of the frame; a connected region below it is a speck, not an object
PATIENCE = 12  # frames that an object may be out of sight and keep its number


@dataclass(frozen=True, eq=False)
class TrackedObject:
    """One connected object in one frame.

    Attributes:
        track: 1, 2, ...: the same number, the same object.
        x, y, width, height: its box in pixels; ``x``, ``y`` is the upper left pixel.
        area: in pixels.
        region: ``(height, width)`` bool, its pixels within the box.
    """

    track: int
    x: int
    y: int
    width: int
    height: int
    area: int
    region: np.ndarray


class ObjectTracker:
    """Numbers the connected objects of successive masks.

    The objects of each frame are matched with those seen last, so that the sum of their similarity
    is largest: intersection over union of their pixels and, for what is so fast or small that
    nothing overlaps, a little for being near and of like size. What matches nothing gets a new
    number: of an object that falls apart, one part keeps the number. At a cut all are new.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[TrackedObject, int]] = {}  # by track, with its last frame
        self._frame = 0
        self._last_track = 0

    def update(self, mask: np.ndarray, image: np.ndarray, cut: bool = False) -> list[TrackedObject]:
        """The objects of the next frame, from ``(H, W)`` bool; ``cut``: it begins a new shot."""
        from scipy.optimize import linear_sum_assignment  # slow to import, for who asks for help

        if cut:
            self._seen.clear()
        objects = connected_objects(mask)
        earlier = [item for item, _ in self._seen.values()]
        similarity = _similarities(earlier, objects)
        for row, column in zip(*linear_sum_assignment(similarity, maximize=True), strict=True):
            if similarity[row, column] > 0:
                objects[column] = replace(objects[column], track=earlier[row].track)
        for column, item in enumerate(objects):
            if item.track == 0:
                self._last_track += 1
                objects[column] = replace(item, track=self._last_track)
        self._seen |= {item.track: (item, self._frame) for item in objects}
        self._seen = {
            track: (item, frame)
            for track, (item, frame) in self._seen.items()
            if self._frame - frame < PATIENCE
        }
        self._frame += 1
        return objects


def connected_objects(mask: np.ndarray) -> list[TrackedObject]:
    """The 8-connected regions of ``(H, W)`` bool but specks, as track 0, largest first."""
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(
        np.ascontiguousarray(mask).view(np.uint8), connectivity=8
    )
    objects = []
    for label, (x, y, width, height, area) in enumerate(boxes.tolist()):
        if label > 0 and area >= SMALLEST * mask.size:
            region = labels[y : y + height, x : x + width] == label
            objects.append(TrackedObject(0, x, y, width, height, area, region))
    return sorted(objects, key=lambda item: -item.area)


def number_map(objects: Sequence[TrackedObject], height: int, width: int) -> np.ndarray:
    """``(H, W)`` int32: the number of the object of each pixel, or 0."""
    numbers = np.zeros((height, width), np.int32)
    for item in objects:
        box = numbers[item.y : item.y + item.height, item.x : item.x + item.width]
        box[item.region] = item.track
    return numbers


def nearest_number(numbers: np.ndarray) -> np.ndarray:
    """``(H, W)`` int32: the number of the object that is nearest to each pixel of a `number_map`,
    in which there is one at least."""
    _, nearest = cv2.distanceTransformWithLabels(
        (numbers <= 0).view(np.uint8),
        cv2.DIST_L2,
        cv2.DIST_MASK_5,
        labelType=cv2.DIST_LABEL_PIXEL,
    )
    inside = numbers > 0
    number_of = np.zeros(int(nearest.max()) + 1, np.int32)
    number_of[nearest[inside]] = numbers[inside]
    return number_of[nearest]


def objects_of(numbers: np.ndarray) -> list[TrackedObject]:
    """The objects of a `number_map`, by number."""
    from scipy.ndimage import find_objects

    objects = []
    for track, place in enumerate(find_objects(np.maximum(numbers, 0)), 1):
        if place is not None:
            region = numbers[place] == track
            y, x = (axis.start for axis in place)
            (height, width), area = region.shape, int(np.count_nonzero(region))
            objects.append(TrackedObject(track, x, y, width, height, area, region))
    return objects


def _similarities(earlier: Sequence[TrackedObject], now: Sequence[TrackedObject]) -> np.ndarray:
    """``(len(earlier), len(now))`` float; 0 where two cannot be the same object."""
    if not earlier or not now:
        return np.zeros((len(earlier), len(now)))
    a, b = (
        np.array([(i.x, i.y, i.width, i.height, i.area) for i in items], float)
        for items in (earlier, now)
    )
    centre = [box[:, :2] + box[:, 2:4] / 2 for box in (a, b)]
    reach = [np.hypot(box[:, 2], box[:, 3]) / 2 for box in (a, b)]
    distance = np.linalg.norm(centre[0][:, None] - centre[1], axis=2)
    nearness = np.maximum(0, 1 - distance / (reach[0][:, None] + reach[1]))
    sizes = np.minimum(a[:, None, 4], b[:, 4]) / np.maximum(a[:, None, 4], b[:, 4])
    similarity = 0.1 * nearness * sizes
    for row, column in np.argwhere(nearness > 0):
        similarity[row, column] += _overlap(earlier[row], now[column])
    return similarity


def _overlap(a: TrackedObject, b: TrackedObject) -> float:
    """Intersection over union of the pixels of two objects."""
    top, left = max(a.y, b.y), max(a.x, b.x)
    bottom, right = min(a.y + a.height, b.y + b.height), min(a.x + a.width, b.x + b.width)
    if top >= bottom or left >= right:
        return 0.0
    parts = [
        item.region[top - item.y : bottom - item.y, left - item.x : right - item.x]
        for item in (a, b)
    ]
    both = int(np.count_nonzero(parts[0] & parts[1]))
    return both / (a.area + b.area - both)
