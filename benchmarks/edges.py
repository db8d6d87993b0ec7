"""How near alpha and colours of edges come to what they are, on composites of which both are known.

    python benchmarks/edges.py [--data DAVIS] [--frames 24]

Objects of DAVIS, cut a little within their masks, get strands of hair, and are moved over a frame
of another sequence with an open shutter: half of them fast, so that their edges are motion blur.
What is put in is known, so alpha and colours are true to the pixel. All is measured in the rim,
within 12 pixels of where the true alpha is between, with the probabilities of the network that
ships ("found"), and with the true mask at the network's size and as soft ("right"), which tells
edges from finding. SAD is the sum of absolute errors of alpha, in thousands a frame; gradient as
Rhemann et al. (CVPR 2009) compute it, in thousands; dtSSD, in per cent, is the flicker that the
truth has not (Erofeev et al., BMVC 2015); colour the mean error in levels of 255, weighed by the
true alpha as a composite shows it; ms of CPU a frame of 854x480.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from threedcseg import load_model, segment
from threedcseg.inference.guided import upsample_guided
from threedcseg.outputs.background import open_background
from threedcseg.outputs.edges import hard_alpha, soft_alpha
from threedcseg.outputs.foreground import foreground_colors
from threedcseg.outputs.matting import Matting

SEQUENCES = ("blackswan", "breakdance", "car-roundabout", "dog", "horsejump-high", "libby")
RIM = 12  # pixels
FINE = 4  # strands are drawn so many times larger
SHUTTER = 8  # pictures that a frame is the mean of


@dataclass(frozen=True, eq=False)
class Composite:
    """A video whose edges are known: lists of a frame's arrays.

    ``frames`` and ``colors``: ``(H, W, 3)`` uint8 and float32 RGB; ``alphas``: ``(H, W)`` float32.
    """

    name: str
    frames: list[np.ndarray]
    alphas: list[np.ndarray]
    colors: list[np.ndarray]


def composites(data: Path, num_frames: int) -> Iterator[Composite]:
    """One of each sequence's first object."""
    for number, name in enumerate(SEQUENCES):
        behind = SEQUENCES[(number + 2) % len(SEQUENCES)]
        image = _read(data / f"JPEGImages/480p/{name}/00020.jpg")
        mask = _read(data / f"Annotations/480p/{name}/00020.png")[..., 0] > 127
        photograph = _empty(
            _read(data / f"JPEGImages/480p/{behind}/00000.jpg"),
            _read(data / f"Annotations/480p/{behind}/00000.png")[..., :1],
        )
        rng = np.random.default_rng(number)
        speed = 14.0 if number % 2 else 3.0  # pixels a frame
        yield compose(name, sprite(image, mask, rng), photograph, speed, num_frames, rng)


def sprite(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The object with hair as ``(H, W, 4)`` float32: colours in 0 to 255 that reach beyond its
    edge, and alpha in 0 to 1. Nothing of its old background is in it."""
    core = cv2.erode(mask.astype(np.uint8), np.ones((7, 7), np.uint8))
    _, parts, facts, _ = cv2.connectedComponentsWithStats(core)
    core = (parts == 1 + np.argmax(facts[1:, cv2.CC_STAT_AREA])).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(
        1 - core, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(core)
    nearest = np.zeros((labels.max() + 1, 3), np.uint8)
    nearest[labels[rows, columns]] = image[rows, columns]
    colors = np.where(core[..., None] > 0, image, cv2.blur(nearest[labels], (5, 5)))
    outline = max(cv2.findContours(core, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=len)[
        :, 0
    ]
    height, width = mask.shape
    hair = np.zeros((FINE * height, FINE * width), np.uint8)
    tint = np.zeros((height, width, 3), np.uint8)
    outward = _outward(core)
    for _ in range(len(outline) // 8):
        x, y = outline[rng.integers(len(outline))]
        if rng.random() < 0.5 and y > outline[:, 1].mean():  # less below than on top
            continue
        way = outward[y, x] + rng.normal(0, 0.4, 2)
        bend = rng.normal(0, 0.35) * np.array([-way[1], way[0]])
        along = np.linspace(0, rng.uniform(4, 16), 12)[:, None]
        points = (x, y) + along * way + along**2 / 24 * bend
        shade = np.clip(colors[y, x] * rng.uniform(0.8, 1.2), 1, 255).astype(int).tolist()
        fine = np.rint(FINE * (points + 0.5)).astype(np.int32)
        cv2.polylines(hair, [fine], False, 255, int(rng.integers(2, 6)), cv2.LINE_AA)
        cv2.polylines(tint, [np.rint(points).astype(np.int32)], False, shade, 3)
    hair = cv2.resize(hair, (width, height), interpolation=cv2.INTER_AREA)
    edge = cv2.GaussianBlur(core.astype(np.float32), (0, 0), 0.8)
    only_hair = (tint.any(axis=2) & (core == 0))[..., None]
    colors = np.where(only_hair, tint, colors)
    return np.dstack([colors, np.maximum(edge, hair / 255)]).astype(np.float32)


def compose(
    name: str,
    object: np.ndarray,
    photograph: np.ndarray,
    speed: float,
    num_frames: int,
    rng: np.random.Generator,
) -> Composite:
    """Move the object ``speed`` pixels a frame, turning a little, over a photograph that drifts."""
    height, width = object.shape[:2]
    premultiplied = object.copy()
    premultiplied[..., :3] *= object[..., 3:]
    rows, columns = np.nonzero(object[..., 3] > 0.5)
    centre = float(columns.mean()), float(rows.mean())
    start = width / 2 - centre[0] - speed * num_frames / 2
    made = Composite(name, [], [], [])
    for index in range(num_frames):
        mean = np.zeros_like(premultiplied)
        for part in range(SHUTTER):
            at = index + 0.5 * part / SHUTTER
            turn = cv2.getRotationMatrix2D(centre, 4 * np.sin(at / 5), 1)
            turn[:, 2] += start + speed * at, 3 * np.sin(at / 3) + height / 2 - centre[1]
            mean += cv2.warpAffine(premultiplied, turn, (width, height)) / SHUTTER
        alpha = mean[..., 3]
        drift = np.array([[1.15, 0, -20 - 1.5 * index], [0, 1.15, -20]])
        behind = cv2.warpAffine(photograph, drift, (width, height), borderMode=cv2.BORDER_REFLECT)
        frame = mean[..., :3] + (1 - alpha[..., None]) * behind
        frame += rng.normal(0, 1.5, frame.shape)
        made.frames.append(np.rint(np.clip(frame, 0, 255)).astype(np.uint8))
        made.alphas.append(alpha)
        made.colors.append(mean[..., :3] / np.maximum(alpha, 1e-3)[..., None])
    return made


def _empty(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The frame, where its object stands that of the side with less of it, mirrored."""
    half = image.shape[1] // 2
    if mask[:, :half].mean() > mask[:, half:].mean():
        return np.ascontiguousarray(_empty(image[:, ::-1], mask[:, ::-1])[:, ::-1])
    free = int(np.nonzero(mask.any(axis=(0, 2)))[0].min())  # columns before the object
    columns = np.abs((np.arange(image.shape[1]) + free) % (2 * free) - free)
    return np.ascontiguousarray(image[:, columns])


def _outward(core: np.ndarray) -> np.ndarray:
    """Unit vectors ``(H, W, 2)`` away from the object, x first."""
    smooth = cv2.GaussianBlur(core.astype(np.float32), (0, 0), 5)
    slope = -np.dstack([cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)])
    return slope / np.maximum(np.linalg.norm(slope, axis=2, keepdims=True), 1e-6)


def _read(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


Edges = Callable[[np.ndarray, np.ndarray, bool], np.ndarray]
"""Alpha ``(H, W)`` uint8 of a frame and its probabilities; True for the first frame."""


def right_masks(composite: Composite) -> list[np.ndarray]:
    """Probabilities of a network that finds all but hair and blur: the true mask, 512x288, soft."""
    maps = []
    for frame, alpha in zip(composite.frames, composite.alphas, strict=True):
        mask = cv2.resize(
            (alpha > 0.5).astype(np.float32), (512, 288), interpolation=cv2.INTER_AREA
        )
        maps.append(upsample_guided(cv2.GaussianBlur(mask, (0, 0), 1.5), frame))
    return maps


def alpha_errors(composite: Composite, maps: list[np.ndarray], edges: Edges) -> list[float]:
    """SAD, gradient, dtSSD and milliseconds, means over the frames."""
    rows, before, spent = [], None, 0.0
    for index, (frame, truth) in enumerate(zip(composite.frames, composite.alphas, strict=True)):
        begun = time.process_time()
        made = edges(frame, maps[index], index == 0)
        spent += time.process_time() - begun
        alpha = made.astype(np.float32) / 255
        rim = _rim(truth)
        error = (alpha - truth)[rim]
        slopes = (_slope(alpha) - _slope(truth))[rim]
        flicker = np.zeros(1) if before is None else (alpha - truth - before)[rim]
        before = alpha - truth
        sums = np.abs(error).sum() / 1000, (slopes**2).sum() / 1000
        rows.append([*sums, 100 * np.sqrt((flicker**2).mean())])
    return [*np.mean(rows[1:], axis=0), 1000 * spent / len(rows)]


def color_errors(composite: Composite) -> list[float]:
    """Mean error of the picture's own colours, and of the estimated ones, with the true alpha."""
    frame, alpha, colors = composite.frames[-1], composite.alphas[-1], composite.colors[-1]
    levels = np.rint(255 * alpha).astype(np.uint8)
    rim = (levels > 2) & (levels < 253)
    weight = alpha[rim][:, None]
    return [
        float((np.abs(each.astype(np.float32) - colors)[rim] * weight).sum() / weight.sum() / 3)
        for each in (frame, foreground_colors(frame, levels))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("DAVIS"))
    parser.add_argument("--frames", type=int, default=24)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    network = load_model("compact")
    found: dict[tuple[str, str], list[list[float]]] = {}
    colors = []
    for composite in composites(args.data, args.frames):
        maps = {
            "found": [likely for _, likely in segment(composite.frames, network)],
            "right": right_masks(composite),
        }
        for kind, likely in maps.items():
            for name, edges in _all_edges().items():
                errors = alpha_errors(composite, likely, edges)
                found.setdefault((kind, name), []).append(errors)
                print(f"{composite.name:15} {kind} {name:6}", _row(errors), flush=True)
        print(f"{composite.name:15} blur   {_blurring(composite):.1f} ms")
        colors.append(color_errors(composite))
        print(
            f"{composite.name:15} colour", " -> ".join(f"{e:.1f}" for e in colors[-1]), flush=True
        )
    for (kind, name), rows in found.items():
        print(f"{'mean':15} {kind} {name:6}", _row(np.mean(rows, axis=0)))
    print(f"{'mean':15} colour", " -> ".join(f"{e:.1f}" for e in np.mean(colors, axis=0)))


def _blurring(composite: Composite) -> float:
    """Milliseconds of CPU a frame for the background of ``--background blur``."""
    height, width = composite.alphas[0].shape
    begun = time.process_time()
    with open_background("blur", height, width) as background:
        for frame, alpha in zip(composite.frames, composite.alphas, strict=True):
            background.behind(frame, hard_alpha(alpha > 0.5), Fraction(0))
    return 1000 * (time.process_time() - begun) / len(composite.frames)


def _all_edges() -> dict[str, Edges]:
    return {
        "hard": lambda frame, likely, first: hard_alpha(likely > 0.5),
        "soft": lambda frame, likely, first: soft_alpha(likely),
        "matte": Matting().next,
    }


def _row(errors: list[float] | np.ndarray) -> str:
    sad, gradient, flicker, spent = errors
    return f"SAD {sad:5.2f}  gradient {gradient:.3f}  dtSSD {flicker:4.1f}  {spent:4.0f} ms"


def _rim(alpha: np.ndarray) -> np.ndarray:
    between = ((alpha > 0.02) & (alpha < 0.98)).astype(np.uint8)
    return cv2.dilate(between, np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)) > 0


def _slope(alpha: np.ndarray) -> np.ndarray:
    """The length of the gradient, by Gaussian derivatives of 1.4 pixels."""
    across = np.arange(-5, 6)
    bell = np.exp(-(across**2) / (2 * 1.4**2))
    bell /= bell.sum()
    slope = -across / 1.4**2 * bell
    pair = (slope, bell), (bell, slope)
    return np.hypot(*(cv2.sepFilter2D(alpha, cv2.CV_32F, *kernels) for kernels in pair))


if __name__ == "__main__":
    main()
