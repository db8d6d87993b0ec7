"""The pictures of a report: frames and masks for the player, stills of the best and worst."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from threedcseg.metrics.measure import Measure
from threedcseg.outputs.overlay import overlay
from threedcseg.report.results import Run
from threedcseg.report.scenes import Picture, Scene

FALSE_POSITIVE = (230, 159, 0)
FALSE_NEGATIVE = (86, 180, 233)
"""Orange and sky blue of Okabe and Ito's palette: all can tell them apart, colour-blind or not."""

HIT = (255, 255, 255)
_HIT_OPACITY, _MISS_OPACITY, _DIM = 0.28, 0.85, 0.6
WEBP_QUALITY = 70


@dataclass(frozen=True)
class Still:
    """A frame picked for the report, ``which`` of its run ("best"), and its pictures: paths within
    the report."""

    which: str
    sequence: str
    index: int
    frame: str
    measure: str
    value: str
    size: tuple[int, int]
    pictures: Mapping[str, str]


@dataclass(frozen=True)
class Shown:
    """A sequence in the report: ``folder`` holds ``frames``, ``truth`` and ``run0``, ``run1``, ..,
    with files numbered from 00000."""

    name: str
    folder: str
    size: tuple[int, int]


def error_map(image: np.ndarray, mask: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The gray frame, dimmed, with what is wrong in colour and what is right in white.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        mask, truth: ``(H, W)`` bool.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    out = np.repeat(gray[..., None], 3, axis=2) * _DIM
    for where, color, opacity in (
        (mask & truth, HIT, _HIT_OPACITY),
        (mask & ~truth, FALSE_POSITIVE, _MISS_OPACITY),
        (truth & ~mask, FALSE_NEGATIVE, _MISS_OPACITY),
    ):
        out[where] = out[where] * (1 - opacity) + np.asarray(color) * opacity
    return np.rint(out).astype(np.uint8)


def write_sequences(
    scenes: Sequence[Scene],
    folder: Path,
    width: int,
    workers: int = 1,
    on_frame: Callable[[str], None] = lambda name: None,
) -> list[Shown]:
    """Write what the player shows: every frame at most ``width`` pixels wide, and its masks.

    Frames are WebP; masks are PNG of one bit, clear where there is nothing, that are tinted when
    shown. Raises `InputError` as `Scene.read`.
    """
    shown = []
    with ThreadPoolExecutor(workers) as pool:
        for number, scene in enumerate(scenes):
            name = f"{number:02d}-{re.sub(r'[^A-Za-z0-9_-]+', '-', scene.name)[:40]}"
            place = folder / name
            kinds = [f"run{i}" for i, files in enumerate(scene.predictions) if files is not None]
            for kind in ("frames", "truth", *kinds):
                (place / kind).mkdir(parents=True)

            def write(index: int, scene: Scene = scene, place: Path = place) -> tuple[int, int]:
                return _write_frame(scene.read(index), place, index, width)

            sizes = []
            for size in pool.map(write, range(len(scene.frames))):
                sizes.append(size)
                on_frame(scene.name)
            shown.append(Shown(scene.name, f"{folder.name}/{name}", sizes[0]))
    return shown


def _write_frame(picture: Picture, place: Path, index: int, width: int) -> tuple[int, int]:
    """Returns the size, ``(width, height)``."""
    image = shrink(picture.image, width)
    _save_image(image, place / "frames" / f"{index:05d}.webp")
    _save_mask(shrink(picture.truth, width), place / "truth" / f"{index:05d}.png")
    for number, mask in enumerate(picture.masks):
        if mask is not None:
            _save_mask(shrink(mask, width), place / f"run{number}" / f"{index:05d}.png")
    return image.shape[1], image.shape[0]


def shrink(image: np.ndarray, width: int) -> np.ndarray:
    """An image or bool mask at most ``width`` wide, by area; of masks, pixels at least half set."""
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    if image.shape[1] <= width:
        return image
    if image.dtype == np.bool_:
        gray = image.view(np.uint8) * 255
        return cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA) > 127
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _save_image(image: np.ndarray, path: Path) -> None:
    Image.fromarray(image).save(path, quality=WEBP_QUALITY, method=3)


def _save_mask(mask: np.ndarray, path: Path) -> None:
    picture = Image.frombytes("P", mask.shape[::-1], mask.tobytes())
    picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.save(path, bits=1, transparency=0, optimize=True)


def write_stills(
    run: Run, number: int, scenes: Sequence[Scene], folder: Path, width: int
) -> list[Still]:
    """Write image, mask, ground truth and error map of a run's best, median and worst frame."""
    by_name = {scene.name: scene for scene in scenes}
    stills = []
    for which, (value, name, index) in picked_frames(run).items():
        picture = by_name[name].read(index)
        image, truth = shrink(picture.image, width), shrink(picture.truth, width)
        full = picture.masks[number]
        assert full is not None  # the run was scored on it
        mask = shrink(full, width)
        paths = {}
        for kind, content in (
            ("image", image),
            ("prediction", overlay(image, mask)),
            ("ground truth", overlay(image, truth)),
            ("errors", error_map(image, mask, truth)),
        ):
            path = folder / f"run{number}-{which}-{kind.replace(' ', '-')}.webp"
            _save_image(content, path)
            paths[kind] = f"{folder.name}/{path.name}"
        frame, measure = by_name[name].frames[index], _ranking(run)
        size, shown = (image.shape[1], image.shape[0]), measure.figures[0].text(value)
        stills.append(Still(which, name, index, frame, measure.name, shown, size, paths))
    return stills


def _ranking(run: Run) -> Measure:
    """The measure that says which frames of a run are good."""
    return next(m for m in run.protocol.measures if m.name == run.protocol.ranked_by)


def picked_frames(run: Run) -> dict[str, tuple[float, str, int]]:
    """The best, median and worst of the frames that count: value, sequence and index of each.

    Of frames that are alike the earliest; of an even number, the median is the lower one.
    """
    ranked = sorted(_ranked(run), key=lambda entry: entry[0])
    best = max(ranked, key=lambda entry: entry[0])
    return {"best": best, "median": ranked[(len(ranked) - 1) // 2], "worst": ranked[0]}


def _ranked(run: Run) -> Iterator[tuple[float, str, int]]:
    for name, sequence in run.sequences.items():
        values = sequence.per_frame[run.protocol.ranked_by]
        for index, (value, counts) in enumerate(zip(values, sequence.counted, strict=True)):
            if counts and value is not None:
                yield value, name, index
