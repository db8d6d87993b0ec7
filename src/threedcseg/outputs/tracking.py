"""Objects followed from frame to frame, by their regions, their colours and their motion."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from threedcseg.outputs.regions import SMALLEST, TrackedObject
from threedcseg.outputs.track import Grid, Track, centre_of, divide, explains, likeness

PATIENCE = 60  # frames that an object may be out of sight and keep its number
MOST_LOST = 32  # objects out of sight that are remembered
YOUNG = 8  # frames; what was seen for fewer and joins another object was a part of it
SHARE = 0.4  # of an object, or of a region, that must lie in the other for both to be the same
TOUCH = 0.1  # of an object that must lie in the region of another to be sought there
NEAR = 0.35  # of an object's size: what is not farther from it may be a part of it
PART = 0.25  # of an object: what is larger is no part of it, unless it was
APART = 0.7  # of an object's size: a part that is farther from the rest is another object
HIDDEN = 0.06  # of an object: where it shows less beside another, it is hidden by that
KNOWN = 0.55  # likeness above which what seemed new is what was lost
ALIKE = 0.5  # least likeness in colours, place and size of what comes back


@dataclass
class _Findings:
    """What of a frame is whose: whole regions, and shares of divided ones."""

    owners: dict[int, Track] = field(default_factory=dict)
    divided: dict[int, dict[Track, np.ndarray]] = field(default_factory=dict)
    corners: dict[Track, np.ndarray] = field(default_factory=dict)  # of those that touch

    def has(self, label: int) -> bool:
        return label in self.owners or label in self.divided

    def there(self) -> set[Track]:
        """The objects that are to be seen."""
        return {*self.owners.values(), *(track for each in self.divided.values() for track in each)}

    def extent(self, track: Track, grid: Grid) -> np.ndarray:
        """``(h, w)`` bool: all that is an object's."""
        labels = [label for label, owner in self.owners.items() if owner is track]
        extent: np.ndarray = np.isin(grid.labels, labels)
        for shares in self.divided.values():
            if track in shares:
                extent |= shares[track]
        return extent


class ObjectTracker:
    """Numbers the objects of successive masks.

    A region belongs to the object whose shape, moved on as it has moved so far, lies in it. Where
    the shapes of several do, they touch: the region is divided between them, by their shapes and
    their colours. A small region near an object is a part of it. What is left is matched with what
    was lost: the nearer, the more alike in colours and size, the better. All else gets a new
    number, and at a cut everything does. Memory is bounded: `MOST_LOST`.
    """

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._last_number = 0

    def update(self, mask: np.ndarray, image: np.ndarray, cut: bool = False) -> list[TrackedObject]:
        """The objects of the next frame, from ``(H, W)`` bool and ``(H, W, 3)`` uint8 RGB, the
        largest first; ``cut``: it begins a new shot. An object may consist of several regions."""
        if cut:
            self._tracks.clear()
        labels, boxes = _regions(mask)
        areas = boxes[:, cv2.CC_STAT_AREA].copy()
        areas[0] = 0
        areas[areas < SMALLEST * mask.size] = 0
        grid = Grid.of(labels, areas, image)
        found = self._claimed(grid)
        self._release_what_left(grid, found)
        self._join_parts(grid, found)
        self._match_the_lost(grid, found)
        self._recognise(grid, found)
        self._number_the_new(grid, found)
        self._follow(grid, found)
        return sorted(_objects(labels, boxes, grid, found), key=lambda item: -item.area)

    def _claimed(self, grid: Grid) -> _Findings:
        """Which regions lie where objects should be, divided where these are several."""
        holds: dict[int, list[Track]] = {}  # regions in which objects should lie
        touches: dict[int, list[Track]] = {}  # or only parts of them
        lies: dict[int, list[Track]] = {}  # regions that should lie in objects
        for track in self._tracks:
            if track.unseen and track.age < YOUNG:
                continue
            overlap = grid.overlap(track)
            least = SHARE if not track.unseen else 0.6
            for label in _where(overlap >= max(1, least * track.area)):
                holds.setdefault(label, []).append(track)
            some = (overlap >= TOUCH * track.full) & (overlap < least * track.area)
            for label in _where(some & (track.age >= YOUNG)):
                touches.setdefault(label, []).append(track)
            if not track.unseen:
                for label in _where((overlap > 0) & (overlap >= SHARE * grid.areas)):
                    lies.setdefault(label, []).append(track)
        parts = {part for claimants in holds.values() for part in _parts_among(claimants)}
        self._tracks = [track for track in self._tracks if track not in parts]
        found = _Findings()
        for label in _counted(grid):
            claimants = [track for track in holds.get(label, []) if track not in parts]
            coming: list[Track] = []
            if any(not track.unseen for track in claimants):
                claimants += [track for track in touches.get(label, []) if track not in parts]
                coming = self._coming_out(grid, label, claimants)
            else:
                claimants = [track for track in lies.get(label, []) if track not in parts]
            if len(claimants) == 1 and not coming:
                found.owners[label] = claimants[0]
            elif claimants:
                self._divide(grid, label, claimants, coming, found)
        return found

    def _coming_out(self, grid: Grid, label: int, claimants: list[Track]) -> list[Track]:
        """Objects that are hidden, in part at least, and have the colours of what a region has
        beyond the shapes of its claimants."""
        missing = [
            track
            for track in self._tracks
            if track.age >= YOUNG and track not in claimants and track.missing > 0.3 * track.full
        ]
        if not missing:
            return []
        region = grid.region(label)
        beyond = region.copy()
        for track in claimants:
            shape = track.placed(region.shape, track.expected()).view(np.uint8)
            beyond &= cv2.dilate(shape, np.ones((9, 9), np.uint8)) == 0
        area, place = int(np.count_nonzero(beyond)), centre_of(beyond)
        return [
            track
            for track in missing
            if area > max(12, 0.01 * track.full)
            and np.linalg.norm(place - track.centre) < (1 + 0.1 * track.unseen) * track.size
            and all(explains(grid, beyond, track.colors, each.colors) for each in claimants)
        ]

    def _divide(
        self, grid: Grid, label: int, claimants: list[Track], coming: list[Track], found: _Findings
    ) -> None:
        """Between the claimants, or those of them that are not hidden by others."""
        every = [*claimants, *coming]
        shares, corners = divide(grid, label, every, coming)

        def is_there(track: Track) -> bool:
            least = HIDDEN if track in claimants and not track.unseen else 2 * HIDDEN
            if np.count_nonzero(shares[track]) < least * track.area:
                return False
            alike = likeness(grid.colors(shares[track]), track.colors)
            return track in coming or not track.unseen or alike > ALIKE

        there = [track for track in every if is_there(track)]
        if not any(not track.unseen for track in there):
            there = [track for track in claimants if not track.unseen][:1]
        if len(there) < len(every):
            shares, corners = divide(grid, label, there, coming)
        if len(there) == 1:
            found.owners[label] = there[0]
        else:
            found.divided[label] = shares
        found.corners |= corners

    def _release_what_left(self, grid: Grid, found: _Findings) -> None:
        """Parts that have gone away from the rest of their object are others."""
        for track in found.there():
            whole = [label for label, owner in found.owners.items() if owner is track]
            if len(whole) < 2:
                continue
            main = max(whole, key=lambda label: grid.areas[label])
            distance = _distance(grid.region(main))
            for label in whole:
                if label != main and grid.areas[label] > 0.1 * grid.areas[main]:
                    gap = distance[grid.region(label)].min(initial=np.inf)
                    if gap > APART * track.size:
                        del found.owners[label]

    def _join_parts(self, grid: Grid, found: _Findings) -> None:
        """Regions of nobody, near an object that is there, are parts of it: small ones, and those
        that have its colours where a part of it is missing."""
        there = {track: found.extent(track, grid) for track in found.there()}
        distances: dict[Track, np.ndarray] = {}
        for label in _counted(grid):
            if found.has(label):
                continue
            region, area = grid.region(label), int(grid.areas[label])
            colors = grid.colors(region)
            likely = []
            for track, extent in there.items():
                alike = likeness(colors, track.colors)
                missing = track.full - np.count_nonzero(extent)
                if alike > ALIKE and area < missing + 0.2 * track.full:
                    reach = APART
                elif area < PART * track.full:
                    reach = NEAR
                else:
                    continue
                if track not in distances:
                    distances[track] = _distance(extent)
                gap = distances[track][region].min(initial=np.inf) / track.size
                if gap < reach:
                    likely.append((alike - gap, track.number, track))
            if likely:
                found.owners[label] = max(likely)[2]

    def _match_the_lost(self, grid: Grid, found: _Findings) -> None:
        """What is left, with the objects that are not there."""
        from scipy.optimize import linear_sum_assignment  # slow to import, for who asks for help

        there = found.there()
        lost = [track for track in self._tracks if track not in there]
        if not lost:
            return
        left = [label for label in _counted(grid) if not found.has(label)]
        alike = np.zeros((len(lost), len(left)))
        for column, label in enumerate(left):
            region = grid.region(label)
            colors = grid.colors(region)
            for row, track in enumerate(lost):
                alike[row, column] = _alike(track, region, colors)
        for row, column in zip(*linear_sum_assignment(alike, maximize=True), strict=True):
            if alike[row, column] > ALIKE:
                found.owners[left[column]] = lost[row]

    def _recognise(self, grid: Grid, found: _Findings) -> None:
        """What came new a few frames ago, and is now seen to be what was lost before, is that."""
        lost = [track for track in self._tracks if track.unseen > 1]
        for label, young in list(found.owners.items()):
            if young.unseen or young.age >= 2 * YOUNG or young not in self._tracks:
                continue
            region = grid.region(label)
            if np.count_nonzero(region) < 0.5 * young.area:
                continue
            colors = grid.colors(region)
            likely = [(_alike(t, region, colors), t.number, t) for t in lost if t.age > young.age]
            score, _, track = max(likely, default=(0.0, 0, young))
            if score > KNOWN:
                self._tracks.remove(young)
                lost.remove(track)
                for other, owner in found.owners.items():
                    if owner is young:
                        found.owners[other] = track
                for shares in found.divided.values():
                    if young in shares:
                        shares[track] = shares.pop(young)

    def _number_the_new(self, grid: Grid, found: _Findings) -> None:
        left = [label for label in _counted(grid) if not found.has(label)]
        for label in sorted(left, key=lambda label: -grid.areas[label]):
            self._last_number += 1
            region = grid.region(label)
            track = Track.new(self._last_number, region, grid.colors(region))
            self._tracks.append(track)
            found.owners[label] = track

    def _follow(self, grid: Grid, found: _Findings) -> None:
        """What is known of each object, for the next frame."""
        there = found.there()
        for track in self._tracks:
            if track not in there:
                track.unseen += 1
                continue
            extent = found.extent(track, grid)
            track.follow(extent, grid.colors(extent), found.corners.get(track))
        for shares in found.divided.values():
            oldest = max(shares, key=lambda track: (track.age, track.full))
            for track in shares:
                if track is not oldest:
                    track.touch(oldest)
        kept = [track for track in self._tracks if track.unseen <= min(PATIENCE, 2 * track.age)]
        lost = sorted((t for t in kept if t.unseen), key=lambda t: (t.unseen, -t.area))
        forgotten = set(lost[MOST_LOST:])
        self._tracks = [track for track in kept if track not in forgotten]


def _regions(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 8-connected regions of ``(H, W)`` bool, as labels ``(H, W)`` int32 and, for each, x, y,
    width, height and area ``(count, 5)``; where the mask is empty nothing is searched."""
    pixels = np.ascontiguousarray(mask).view(np.uint8)
    left, top, width, height = cv2.boundingRect(pixels)
    labels = np.zeros(mask.shape, np.int32)
    if not width:
        return labels, np.zeros((1, 5), np.int32)
    inside = slice(top, top + height), slice(left, left + width)
    _, found, boxes, _ = cv2.connectedComponentsWithStats(pixels[inside], connectivity=8)
    labels[inside] = found
    boxes[:, :2] += left, top
    return labels, boxes


def _objects(
    labels: np.ndarray, boxes: np.ndarray, grid: Grid, found: _Findings
) -> list[TrackedObject]:
    """The objects of a frame, each of all its regions and shares of regions."""
    parts: dict[Track, list[tuple[tuple[slice, slice], np.ndarray]]] = {}
    for label, track in found.owners.items():
        box = _box(boxes[label])
        parts.setdefault(track, []).append((box, labels[box] == label))
    for label, shares in found.divided.items():
        box = _box(boxes[label])
        numbers = np.where(labels[box] == label, _enlarged(shares, grid, box), 0)
        for track in shares:
            parts.setdefault(track, []).append((box, numbers == track.number))
    objects = (_joined(track.number, pieces) for track, pieces in parts.items())
    return [item for item in objects if item.area]


def _box(stats: np.ndarray) -> tuple[slice, slice]:
    x, y, width, height, _ = stats.tolist()
    return slice(y, y + height), slice(x, x + width)


def _joined(number: int, pieces: list[tuple[tuple[slice, slice], np.ndarray]]) -> TrackedObject:
    """One object of pieces in boxes of the frame."""
    top, left = (min(box[axis].start for box, _ in pieces) for axis in (0, 1))
    bottom, right = (max(box[axis].stop for box, _ in pieces) for axis in (0, 1))
    region = np.zeros((bottom - top, right - left), bool)
    for (rows, columns), piece in pieces:
        region[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] |= (
            piece
        )
    x, y, width, height = cv2.boundingRect(region.view(np.uint8))  # shares may not fill the box
    region = region[y : y + height, x : x + width]
    area = int(np.count_nonzero(region))
    return TrackedObject(number, left + x, top + y, width, height, area, region)


def _where(condition: np.ndarray) -> list[int]:
    """The regions for which ``(count,)`` bool is true."""
    return [int(label) for label in np.nonzero(condition)[0]]


def _counted(grid: Grid) -> list[int]:
    """The regions that are no specks."""
    return _where(grid.areas > 0)


def _parts_among(claimants: list[Track]) -> list[Track]:
    """Of objects that lie in one region, those that are parts of another: too young and small to
    be themselves, all but one that came a moment ago, or for longer at another's side, moving with
    it, than ever alone."""
    seen = [track for track in claimants if not track.unseen]
    if len(seen) < 2:
        return []
    oldest = max(seen, key=lambda track: (track.age, track.full))

    def is_part(track: Track) -> bool:
        if track.age < YOUNG:
            unlike = likeness(track.colors, oldest.colors) < ALIKE
            small = track.full < PART * oldest.full * (0.3 if unlike else 1)
            return small or oldest.age < 2 * YOUNG
        return track.is_attached_to(oldest)

    return [track for track in seen if track is not oldest and is_part(track)]


def _distance(extent: np.ndarray) -> np.ndarray:
    """``(h, w)`` float32: how far each point is from those of ``extent``."""
    return cv2.distanceTransform((~extent).view(np.uint8), cv2.DIST_L2, 3)


def _alike(track: Track, region: np.ndarray, colors: np.ndarray) -> float:
    """How much a region is like an object that is not there, 0 to 1; the longer that has not been
    seen, the less the place says. At the border of the frame a region may be a part of it."""
    area, place = int(np.count_nonzero(region)), centre_of(region)
    comes_in = any(edge.any() for edge in (region[0], region[-1], region[:, 0], region[:, -1]))
    size = np.sqrt(min(area, track.full) / max(area, track.full, 1))
    if comes_in and area < track.full:
        size = 1.0
    moved = track.centre + track.velocity * min(track.unseen + 1, 8)
    reach = (track.size + np.sqrt(area)) * (0.8 + 0.1 * track.unseen)
    near = 1 - float(np.linalg.norm(place - moved)) / reach
    colour = likeness(colors, track.colors)
    if near <= 0 or (track.unseen > 2 and colour < 0.6 - 0.2 * comes_in):
        return 0.0
    return float(0.5 * colour + 0.2 * size + 0.3 * near)


def _enlarged(shares: dict[Track, np.ndarray], grid: Grid, box: tuple[slice, slice]) -> np.ndarray:
    """``(H, W)`` int32 in a box of the frame: the number of the object whose share is nearest."""
    rows, columns = box
    size = columns.stop - columns.start, rows.stop - rows.start
    first = [(start - grid.step // 2) / grid.step for start in (columns.start, rows.start)]
    matrix = np.array([[1 / grid.step, 0, first[0]], [0, 1 / grid.step, first[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    near = [
        cv2.warpAffine(
            cv2.blur(share.astype(np.float32), (5, 5)),
            matrix,
            size,
            flags=flags,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for share in shares.values()
    ]
    numbers = np.array([track.number for track in shares], np.int32)
    return numbers[np.argmax(near, axis=0)]
