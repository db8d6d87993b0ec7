"""One object as it is followed, on a grid of every few pixels, and the grid of a frame."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

FINENESS = 320  # points of the grid along the longer edge, about
_BINS = (6, 12, 12)  # of colours: lightness, and both axes of Lab
_ELSEWHERE = 2e-3  # share of a colour that an object has not, so far
_SOFTNESS = 3.0  # points beyond a shape's edge at which a pixel counts as another's
_COLOUR = 1.6  # how much the colours count beside the shape
_SURE = 0.4  # mean of the logarithm of the odds that tells two objects' colours apart
_SEARCH = 5  # points around where it should be in which what touches others, or hides, is sought
_HALF = 0.5  # of an object: while less is seen of it, it is hidden, and its shape stays


@dataclass(eq=False)
class Track:
    """An object as it was last seen; places are x, y in points of the grid.

    Attributes:
        number: its number.
        shape: ``(h, w)`` bool; while it is hidden, or touches another, as it was before.
        corner: of the shape, upper left.
        centre: of the shape.
        area: of the shape, in points.
        full: of the whole object, as far as it was seen of late.
        whole: points of it when it last touched no other.
        seen: points of it in the last frame in which it was seen.
        colors: shares of the colours, as long as it touches no other.
        velocity: points a frame.
        age: frames in which it was seen.
        unseen: frames since then.
        alone: frames in which it touched no other.
        beside: number of the one that it touches, for how many frames, and how far away its middle
            was at first.
    """

    number: int
    shape: np.ndarray
    corner: np.ndarray
    centre: np.ndarray
    area: int
    full: float
    whole: int
    seen: int
    colors: np.ndarray
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    age: int = 1
    unseen: int = 0
    alone: int = 0
    beside: tuple[int, int, np.ndarray] | None = None

    @classmethod
    def new(cls, number: int, extent: np.ndarray, colors: np.ndarray) -> "Track":
        """An object that is seen for the first time, on ``extent`` ``(h, w)`` bool."""
        shape, corner = cropped(extent)
        area, centre = int(np.count_nonzero(shape)), centre_of(extent)
        return cls(number, shape, corner, centre, area, area, area, area, colors)

    def follow(self, extent: np.ndarray, colors: np.ndarray, corner: np.ndarray | None) -> None:
        """It is seen on ``extent``; where it touches others, with its corner at ``corner``.

        What is seen of it then does not say how large it is, nor of which colours. Where only a
        part is left of it, its shape is put on that part.
        """
        area, frames = int(np.count_nonzero(extent)), self.unseen + 1
        touches = corner is not None
        hidden = not touches and area < min(_HALF * self.full, self.area)
        if hidden:
            corner = _sought(self, extent.astype(np.float32), (0, 0), outside=0)
        if corner is not None:
            step, weight = (corner - self.corner) / frames, 0.3
            self.corner, self.centre = corner, self.centre + corner - self.corner
        else:
            step, weight = (centre_of(extent) - self.centre) / frames, 0.5
        if not touches:
            if area > 0.6 * self.full:  # else most of it is hidden, or out of the picture
                self.colors = 0.9 * self.colors + 0.1 * colors
            self.full = max(area, 0.98 * self.full)
            self.alone, self.beside, self.whole = self.alone + 1, None, area
        if not hidden and (not touches or 0.85 < area / self.whole < 1.15):
            self.shape, self.corner = cropped(extent)
            self.centre, self.area = centre_of(extent), area
        self.seen = area
        self.velocity = (1 - weight) * self.velocity + weight * step
        self.age, self.unseen = self.age + 1, 0

    def touch(self, other: "Track") -> None:
        """It touches another in this frame."""
        number, frames, away = self.beside or (0, 0, np.zeros(2))
        if number != other.number:
            frames, away = 0, self.centre - other.centre
        self.beside = other.number, frames + 1, away

    def is_attached_to(self, other: "Track") -> bool:
        """Whether it has been at another's side for longer than alone, and moved with it."""
        if self.beside is None or self.beside[0] != other.number:
            return False
        _, frames, away = self.beside
        moved = np.linalg.norm(self.centre - other.centre - away)
        return frames > max(8, self.alone) and self.alone < 16 and bool(moved < 0.5 * self.size)

    @property
    def missing(self) -> float:
        """Points of it that are not to be seen."""
        return self.full if self.unseen else max(0.0, self.full - self.seen)

    @property
    def size(self) -> float:
        """The side of a square as large."""
        return float(np.sqrt(max(self.full, 1)))

    def expected(self) -> np.ndarray:
        """The corner in the next frame; what is hidden is not taken to go on for long."""
        return self.corner + self.velocity * min(self.unseen + 1, 8)

    def window(self, shape: tuple[int, ...], corner: np.ndarray) -> tuple[tuple[slice, ...], ...]:
        """Where its box at ``corner`` lies on a grid, and which part of the shape that is."""
        on, of = [], []
        for start, length, most in zip(
            np.rint(corner[::-1]).astype(int), self.shape.shape, shape, strict=True
        ):
            first, last = max(0, start), min(most, start + length)
            on.append(slice(first, max(first, last)))
            of.append(slice(first - start, max(first, last) - start))
        return tuple(on), tuple(of)

    def placed(self, shape: tuple[int, ...], corner: np.ndarray) -> np.ndarray:
        """``shape`` bool: the object with its corner there."""
        grid = np.zeros(shape, bool)
        on, of = self.window(shape, corner)
        grid[on] = self.shape[of]
        return grid


@dataclass(eq=False)
class Grid:
    """A frame on the grid.

    Attributes:
        step: pixels from point to point.
        labels: ``(h, w)`` int32, the region of each point; 0 also for specks.
        bins: ``(h, w)`` int32, its colour.
        areas: ``(count,)``, points of each region; 0 for specks.
    """

    step: int
    labels: np.ndarray
    bins: np.ndarray
    areas: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, areas: np.ndarray, image: np.ndarray) -> "Grid":
        """Of labels ``(H, W)``, the area of each, 0 for those that do not count, and the frame."""
        step = max(1, round(max(labels.shape) / FINENESS))
        every = slice(step // 2, None, step)
        small = np.where(areas[labels[every, every]] > 0, labels[every, every], 0)
        lab = cv2.cvtColor(np.ascontiguousarray(image[every, every]), cv2.COLOR_RGB2LAB)
        lightness = lab[..., 0].astype(np.int32) * _BINS[0] // 256
        tints = (lab[..., 1:].astype(np.int32) - 128) // 8 + _BINS[1] // 2
        tints = np.clip(tints, 0, _BINS[1] - 1)
        bins = (lightness * _BINS[1] + tints[..., 0]) * _BINS[2] + tints[..., 1]
        counts = np.bincount(small.ravel(), minlength=len(areas))
        for label in np.nonzero((areas > 0) & (counts == 0))[0]:  # between the points
            row, column = np.unravel_index(np.argmax(labels == label), labels.shape)
            near = min(row // step, small.shape[0] - 1), min(column // step, small.shape[1] - 1)
            small[near] = label
        counts = np.bincount(small.ravel(), minlength=len(areas))
        counts[0] = 0
        return cls(step, small, bins, counts)

    def overlap(self, track: Track) -> np.ndarray:
        """Points of each region where the object should be now."""
        on, of = track.window(self.labels.shape, track.expected())
        counts = np.bincount(self.labels[on][track.shape[of]], minlength=len(self.areas))
        counts[0] = 0
        return counts

    def region(self, label: int) -> np.ndarray:
        """``(h, w)`` bool."""
        return self.labels == label

    def colors(self, where: np.ndarray) -> np.ndarray:
        """Shares of the colours where a grid ``(h, w)`` bool is."""
        counts = np.bincount(self.bins[where], minlength=int(np.prod(_BINS)))
        return counts / max(1, int(counts.sum()))


def cropped(extent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What of a grid ``(h, w)`` bool is not empty, and the corner x, y of it."""
    x, y, width, height = cv2.boundingRect(extent.view(np.uint8))
    return extent[y : y + max(1, height), x : x + max(1, width)].copy(), np.array([x, y], float)


def centre_of(extent: np.ndarray) -> np.ndarray:
    """x, y of the middle of what is not empty."""
    moments = cv2.moments(extent.view(np.uint8), binaryImage=True)
    return np.array([moments["m10"], moments["m01"]]) / max(moments["m00"], 1)


def likeness(colors: np.ndarray, others: np.ndarray) -> float:
    """Of two objects' colours: 1 the same, 0 none in common."""
    return float(np.sqrt(colors * others).sum())


def explains(grid: Grid, where: np.ndarray, colors: np.ndarray, others: np.ndarray) -> bool:
    """Whether the points ``(h, w)`` bool rather have the one object's colours than the other's."""
    bins = grid.bins[where]
    odds = np.log((colors[bins] + _ELSEWHERE) / (others[bins] + _ELSEWHERE))
    return bool(odds.mean() > _SURE)


def divide(
    grid: Grid, label: int, tracks: Sequence[Track], coming: Sequence[Track] = ()
) -> tuple[dict[Track, np.ndarray], dict[Track, np.ndarray]]:
    """A region's share of each object, as grids ``(h, w)`` bool, and where each has its corner.

    The shapes of those that are ``coming`` out from behind something say nothing.
    """
    region = grid.labels == label
    rows, columns = (np.nonzero(region.any(axis))[0] for axis in (1, 0))
    margin = _SEARCH + 1
    box = tuple(
        slice(max(0, along[0] - margin), along[-1] + margin + 1) for along in (rows, columns)
    )
    inside, bins = region[box], grid.bins[box]
    likely = np.log(np.stack([track.colors for track in tracks]) + _ELSEWHERE)
    mean = likely.mean(axis=0)
    corners, scores = {}, []
    for track, own in zip(tracks, likely, strict=True):
        colour = cv2.blur(np.where(inside, (own - mean)[bins], 0).astype(np.float32), (5, 5))
        corner = _found(track, region.shape, box, inside, colour)
        corners[track] = corner
        shape = track.placed(region.shape, corner)[box].view(np.uint8)
        within = cv2.distanceTransform(shape, cv2.DIST_L2, 3)
        beyond = cv2.distanceTransform(1 - shape, cv2.DIST_L2, 3)
        place = np.clip((within - beyond) / _SOFTNESS, -6, 2)
        place = np.maximum(place, -1) if track in coming else place - 0.5 * min(track.unseen, 4)
        scores.append(place + _COLOUR * colour)
    best = np.argmax(scores, axis=0).astype(np.uint8)
    best = cv2.medianBlur(best, 5)
    shares = {}
    for place, track in enumerate(tracks):
        share = np.zeros(region.shape, bool)
        share[box] = inside & (best == place)
        shares[track] = share
    return shares, corners


def _found(
    track: Track,
    shape: tuple[int, ...],
    box: tuple[slice, ...],
    inside: np.ndarray,
    colour: np.ndarray,
) -> np.ndarray:
    """The corner near where it should be at which most of its shape lies on its own colours."""
    weights = np.where(inside, np.clip(colour, -1, 1) + 0.5, -1).astype(np.float32)
    return _sought(track, weights, (box[0].start, box[1].start), outside=-0.3)


def _sought(
    track: Track, weights: np.ndarray, first: tuple[int, int], outside: float
) -> np.ndarray:
    """The corner near where it should be at which its shape lies on the greatest ``weights``.

    These are a part of the grid that begins at row and column ``first``; what is not in it counts
    ``outside``.
    """
    expected = np.rint(track.expected())
    height, width = track.shape.shape
    top = int(expected[1]) - first[0] - _SEARCH
    left = int(expected[0]) - first[1] - _SEARCH
    window = np.full((height + 2 * _SEARCH, width + 2 * _SEARCH), outside, np.float32)
    rows = slice(max(0, top), max(0, min(weights.shape[0], top + window.shape[0])))
    columns = slice(max(0, left), max(0, min(weights.shape[1], left + window.shape[1])))
    part = weights[rows, columns]
    if part.size:
        window[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = (
            part
        )
    match = cv2.matchTemplate(window, track.shape.astype(np.float32), cv2.TM_CCORR)
    across = np.arange(-_SEARCH, _SEARCH + 1)
    match = match - 0.002 * track.area * np.hypot(across[:, None], across)
    _, _, _, (right, down) = cv2.minMaxLoc(match)
    return expected + np.array([right - _SEARCH, down - _SEARCH])
