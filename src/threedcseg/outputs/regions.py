"""Objects of one frame: regions of its mask, with their numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

SMALLEST = 1e-4  # share of the frame; a connected region below it is a speck, not an object


@dataclass(frozen=True, eq=False)
class TrackedObject:
    """One object in one frame, of one region or several.

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
    return of_nearest(numbers, numbers > 0)


def of_nearest(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """``(H, W)``: for each pixel, of ``(H, W)`` ``values``, that of the nearest pixel that is
    ``inside``, bool, of which there is one at least."""
    _, nearest = cv2.distanceTransformWithLabels(
        (~inside).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    value_of = np.zeros(int(nearest.max()) + 1, values.dtype)
    value_of[nearest[inside]] = values[inside]
    return value_of[nearest]


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
