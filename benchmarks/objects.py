"""Do objects keep their numbers? Scenes of two objects with known masks, made of DAVIS.

    python benchmarks/objects.py --data DAVIS

One object moves in its own video; another is cut out of a second one and set into it, so that it
passes before or behind the first, touches it and turns back, leaves the picture and returns, goes
behind a pillar and returns, or comes out from behind a pillar where the first one stands. The
tracker is given the union of the two masks, then what the network finds.

Printed are, over all frames in which an object is to be seen: `number`, the share in which the
region that covers it best has the number that stands for it (each number stands for one object at
most, chosen for the whole scene), and `J`, the mean IoU of the object with that number's pixels;
`numbers`, how many were given in a scene of two; and milliseconds a frame on one core. Beside it
a simple tracker: connected regions, matched by overlap.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy.optimize import linear_sum_assignment

from threedcseg.outputs.objects import object_color
from threedcseg.outputs.overlay import overlay
from threedcseg.outputs.regions import SMALLEST, TrackedObject, number_map
from threedcseg.outputs.tracking import ObjectTracker

PAIRS = (
    ("rhino", "lucia"),
    ("elephant", "dance-jump"),
    ("mallard-water", "flamingo"),
    ("hike", "dog-agility"),
    ("stroller", "tennis"),
    ("car-turn", "horsejump-low"),
)
KINDS = ("in front", "behind", "touching", "leaving", "pillar", "emerging")
SEVERAL = ("schoolgirls", "dogs-jump", "ice", "soccer", "boys-beach", "highway")
"""Videos of a pack, with several objects in one mask."""
LENGTH = 60
SEEN = 60  # pixels of an object that count as being seen


@dataclass(frozen=True)
class Scene:
    """``frames`` ``(T, H, W, 3)`` uint8 RGB and ``labels`` ``(T, H, W)`` uint8: 0, 1 or 2."""

    name: str
    frames: np.ndarray
    labels: np.ndarray


def read(data: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Frames and masks ``(T, H, W)`` bool of a sequence, `LENGTH` of them, to and fro."""
    frames, masks = (
        [cv2.imread(str(path)) for path in sorted((data / kind / "288p" / name).iterdir())]
        for kind in ("JPEGImages", "Annotations")
    )
    there = [i for i, mask in enumerate(masks) if mask.any()]
    order = (there + there[::-1]) * LENGTH
    images = np.stack([frames[i][..., ::-1] for i in order[:LENGTH]])
    return images, np.stack([masks[i][..., 0] > 127 for i in order[:LENGTH]])


def paths(kind: str, reach: float) -> np.ndarray:
    """``(T,)``: how far to the right of the first object the second is, in pixels; ``reach`` is
    where they would just touch."""
    t = np.linspace(0, 1, LENGTH)
    if kind == "pillar":
        return reach * (1.15 + 1.2 * np.abs(2 * t - 1))
    if kind == "touching":
        return reach * (0.75 + 1.1 * np.abs(2 * t - 1))
    return reach * 1.9 * (1 - 2 * t)


def make_scene(kind: str, one: str, other: str, data: Path) -> Scene:
    """A scene of one of `KINDS`."""
    (frames, first), (source, second) = read(data, one), read(data, other)
    height, width = first.shape[1:]
    size = [np.sqrt(masks.sum((1, 2)).mean()) for masks in (first, second)]
    scale = np.clip((0.5 if kind == "pillar" else 0.9) * size[0] / size[1], 0.3, 1.6)
    reach = (extent(first) + scale * extent(second)) / 2
    centre = smooth_centres(first)
    labels = first.astype(np.uint8)
    out = frames.copy()
    away = paths(kind, reach)
    if kind == "leaving":  # out at the edge that is farther from the first, and back
        side = 1 if centre[:, 0].mean() < width / 2 else -1
        t = np.abs(np.linspace(-1, 1, LENGTH))
        place = width / 2 + side * (width / 2 + scale * extent(second) * (0.7 - 1.3 * t))
        away = place - centre[:, 0]
    own = smooth_centres(second)
    for i in range(LENGTH):
        shift = centre[i] + (away[i], 0) - scale * own[i]
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        picture = cv2.warpAffine(source[i], matrix, (width, height))
        mask = cv2.warpAffine(second[i].astype(np.uint8) * 255, matrix, (width, height)) > 127
        if kind in ("behind", "emerging"):
            mask &= ~first[i]
        out[i][mask] = picture[mask]
        labels[i][mask] = 2
    if kind in ("pillar", "emerging"):  # before both, of the picture's own colours
        middle = centre[LENGTH // 2, 0] + (1.75 if kind == "pillar" else 0.6) * reach
        middle = int(np.clip(middle, 40, width - 40))
        across = slice(middle - 22, middle + 22)
        out[:, :, across] = cv2.blur(frames[0][:, across], (31, 31)) // 2 + 30
        labels[:, :, across] = 0
    return Scene(f"{kind} {one} {other}", out, labels)


def extent(masks: np.ndarray) -> float:
    return float(np.median([np.ptp(np.nonzero(mask)[1]) for mask in masks]))


def smooth_centres(masks: np.ndarray) -> np.ndarray:
    """``(T, 2)``: x and y of the masks' centres, without their trembling."""
    centres = np.array([np.mean(np.nonzero(mask), axis=1)[::-1] for mask in masks])
    return cv2.blur(centres, (1, 9), borderType=cv2.BORDER_REPLICATE)


@dataclass(frozen=True)
class Score:
    """Of one scene: both shares and J in percent."""

    number: float
    j: float
    numbers: int
    milliseconds: float


Update = Callable[[np.ndarray, np.ndarray], list[TrackedObject]]


def score(scene: Scene, masks: np.ndarray, update: Update) -> Score:
    """How a tracker does on the masks of a scene."""
    maps, spent = [], 0.0
    for mask, frame in zip(masks, scene.frames, strict=True):
        begun = time.process_time()
        objects = update(mask, frame)
        spent += time.process_time() - begun
        maps.append(number_map(objects, *mask.shape))
    count = max(int(numbers.max()) for numbers in maps)
    ious, best, seen = np.zeros((2, count + 1)), np.zeros((2, count + 1)), np.zeros(2)
    for label in (1, 2):
        for numbers, labels, mask in zip(maps, scene.labels, masks, strict=True):
            truth = labels == label
            # What the masks have nothing of, no tracker can number.
            if truth.sum() < SEEN or (truth & mask).sum() < 0.2 * truth.sum():
                continue
            seen[label - 1] += 1
            inside = np.bincount(numbers[truth], minlength=count + 1)
            sizes = np.bincount(numbers.ravel(), minlength=count + 1)
            iou = inside / np.maximum(truth.sum() + sizes - inside, 1)
            iou[0] = 0
            ious[label - 1] += iou
            best[label - 1, int(iou.argmax())] += iou.max() > 0
    rows, columns = linear_sum_assignment(best[:, 1:] + 1e-3 * ious[:, 1:], maximize=True)
    shares = np.zeros(2)
    js = np.zeros(2)
    for row, column in zip(rows, columns, strict=True):
        shares[row], js[row] = best[row, column + 1], ious[row, column + 1]
    given = len(set(np.unique(np.stack(maps))) - {0})
    total = seen.sum()
    return Score(
        100 * shares.sum() / total, 100 * js.sum() / total, given, 1000 * spent / len(masks)
    )


def network_masks(scene: Scene) -> np.ndarray:
    """``(T, H, W)`` bool: what the network that ships finds."""
    from threedcseg import load_model, segment

    network = load_model("compact", precision="float32")
    return np.stack([found > 0.5 for _, found in segment(scene.frames, network)])


class RegionTracker:
    """A simple tracker: connected regions, matched by the overlap of their pixels."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[TrackedObject, int]] = {}
        self._frame = self._count = 0

    def update(self, mask: np.ndarray, image: np.ndarray) -> list[TrackedObject]:
        objects = connected_objects(mask)
        earlier = [item for item, _ in self._seen.values()]
        similarity = np.array([[_similarity(a, b) for b in objects] for a in earlier])
        similarity = similarity.reshape(len(earlier), len(objects))
        for row, column in zip(*linear_sum_assignment(similarity, maximize=True), strict=True):
            if similarity[row, column] > 0:
                objects[column] = replace(objects[column], track=earlier[row].track)
        for column, item in enumerate(objects):
            if item.track == 0:
                self._count += 1
                objects[column] = replace(item, track=self._count)
        self._seen |= {item.track: (item, self._frame) for item in objects}
        self._seen = {k: v for k, v in self._seen.items() if self._frame - v[1] < 12}
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


def _similarity(a: TrackedObject, b: TrackedObject) -> float:
    distance = np.hypot(
        a.x + a.width / 2 - b.x - b.width / 2, a.y + a.height / 2 - b.y - b.height / 2
    )
    reach = (np.hypot(a.width, a.height) + np.hypot(b.width, b.height)) / 2
    near = 0.1 * max(0, 1 - distance / reach) * min(a.area, b.area) / max(a.area, b.area)
    top, left = max(a.y, b.y), max(a.x, b.x)
    bottom, right = min(a.y + a.height, b.y + b.height), min(a.x + a.width, b.x + b.width)
    if near == 0 or top >= bottom or left >= right:
        return float(near)
    parts = [i.region[top - i.y : bottom - i.y, left - i.x : right - i.x] for i in (a, b)]
    both = int(np.count_nonzero(parts[0] & parts[1]))
    return float(near + both / (a.area + b.area - both))


def scenes(data: Path, kinds: tuple[str, ...]) -> Iterator[Scene]:
    for kind in kinds:
        for one, other in PAIRS:
            yield make_scene(kind, one, other, data)


def list_pack(pack: Path) -> None:
    """How many numbers are given in videos of several objects, of which the true masks are
    merged."""
    from motion import read_pack

    names = [entry["name"] for entry in json.loads(pack.with_suffix(".vjson").read_text())]
    print("| video | frames | regions at once | numbers, overlap | ours |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, (frames, masks) in zip(names, read_pack(pack), strict=True):
        if name in SEVERAL:
            regions = np.mean([len(connected_objects(mask)) for mask in masks])
            counts = []
            for tracker in (RegionTracker(), ObjectTracker()):
                found = [tracker.update(*pair) for pair in zip(masks, frames, strict=True)]
                counts.append(len({item.track for items in found for item in items}))
            print(f"| {name} | {len(frames)} | {regions:.1f} | {counts[0]} | {counts[1]} |")


def draw_scenes(data: Path, out: Path) -> None:
    """Frames of two scenes, with the numbers by overlap above ours, as colours."""
    rows = []
    for kind, pair in (("behind", PAIRS[0]), ("in front", PAIRS[3])):
        scene = make_scene(kind, *pair, data)
        for tracker in (RegionTracker(), ObjectTracker()):
            pictures = []
            for i, (frame, labels) in enumerate(zip(scene.frames, scene.labels, strict=True)):
                picture = frame
                for item in tracker.update(labels > 0, frame):
                    mask = number_map([item], *labels.shape) > 0
                    picture = overlay(picture, mask, object_color(item.track))
                if i in (14, 22, 30, 38, 46):
                    pictures.append(cv2.resize(picture, (256, 144), interpolation=cv2.INTER_AREA))
            rows.append(np.concatenate(pictures, axis=1))
    Image.fromarray(np.concatenate(rows)).save(out, quality=80)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("DAVIS"))
    parser.add_argument("--kinds", default=",".join(KINDS), help="of scenes, with commas between")
    parser.add_argument("--pack", type=Path, help="list the numbers in videos of this pack instead")
    parser.add_argument("--picture", type=Path, help="write a picture of two scenes instead")
    parser.add_argument("--truth-only", action="store_true", help="without the network's masks")
    parser.add_argument("--each", action="store_true", help="a line for each scene as well")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.pack:
        list_pack(args.pack)
        return
    if args.picture:
        draw_scenes(args.data, args.picture)
        return
    trackers = {"overlap": RegionTracker, "ours": ObjectTracker}
    given = ("true masks",) if args.truth_only else ("true masks", "network's masks")
    print("| masks | scenes | tracker | number | J | numbers | ms |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    made = list(scenes(args.data, tuple(args.kinds.split(","))))
    for source in given:
        table: dict[tuple[str, str], list[Score]] = {}
        for scene in made:
            masks = scene.labels > 0 if source == "true masks" else network_masks(scene)
            for name, kind in trackers.items():
                result = score(scene, masks, kind().update)
                for group in (scene.name.rsplit(" ", 2)[0], "all"):
                    table.setdefault((group, name), []).append(result)
                if args.each:
                    print(source, scene.name, name, result)
        for (group, name), results in sorted(table.items(), key=lambda item: item[0][0] == "all"):
            number, j, numbers, ms = (
                np.mean([getattr(r, key) for r in results])
                for key in ("number", "j", "numbers", "milliseconds")
            )
            row = f"{number:.1f} | {j:.1f} | {numbers:.1f} | {ms:.1f}"
            print(f"| {source} | {group} | {name} | {row} |")


if __name__ == "__main__":
    main()
