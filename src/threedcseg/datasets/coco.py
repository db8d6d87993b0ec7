"""COCO instances: `annotations/instances_SPLIT.json` and the images in `SPLIT/`.

All instances of an image make one foreground. Images with a crowd are left out, since a crowd's
outline takes in what is between the people, and so are instances whose box is shorter than
``min_box`` on a side; both as in the published training.
"""

import json
import operator
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from threedcseg.datasets.kinds import register_kind
from threedcseg.datasets.masks import foreground
from threedcseg.datasets.sequence import Sequence
from threedcseg.errors import InputError
from threedcseg.extras import package
from threedcseg.reading import parsed, read_bounded, shortly
from threedcseg.run_lengths import coco_mask

MAX_LISTING = 4 << 30  # bytes
MAX_PIXELS = 1 << 28
MAX_OUTLINE = 1_000_000  # pixels around a polygon

# fmt: off
PUBLISHED_CATEGORIES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "bird",
    "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack",
    "handbag", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat",
    "baseball glove", "skateboard", "surfboard", "tennis racket", "remote", "cell phone",
)
# fmt: on
"""What the published training took for objects: things that move, or are moved."""


@dataclass(frozen=True, eq=False)
class InstanceMask:
    """The union of an image's instances, which are polygons ``[x0, y0, x1, y1, ...]`` or COCO's
    run lengths. Decoded when read.

    Polygons are drawn by pycocotools. It checks nothing, and numbers that do not fit would make it
    write outside its memory: it gets only what fits, and no run lengths.
    """

    name: str
    height: int
    width: int
    parts: tuple[np.ndarray | dict[str, Any], ...]

    def read(self) -> np.ndarray:
        from pycocotools import mask as masks

        try:
            height, width = operator.index(self.height), operator.index(self.width)
            if not 0 < height * width <= MAX_PIXELS or height < 0:
                raise ValueError(f"{width}x{height} pixels")
            here = np.zeros((height, width), bool)
            polygons = [_checked(part) for part in self.parts if isinstance(part, np.ndarray)]
            if polygons:
                here |= masks.decode(masks.merge(masks.frPyObjects(polygons, height, width))) > 0
            for part in self.parts:
                if not isinstance(part, np.ndarray):
                    here |= coco_mask(part["counts"], height, width)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.name}: an outline that cannot be drawn ({shortly(error)})", "replace it"
            ) from None
        return foreground(here)

    def __str__(self) -> str:
        return self.name


def _checked(polygon: np.ndarray) -> np.ndarray:
    points = polygon.reshape(-1, 2)
    around = np.abs(np.diff(points, axis=0, append=points[:1])).max(axis=1).sum()
    if not np.abs(points).max() <= MAX_OUTLINE or not around <= MAX_OUTLINE:
        raise ValueError("longer than any outline")
    return polygon


def coco_splits(root: Path) -> list[str]:
    """The splits that ``root`` holds if it is laid out as COCO."""
    listings = sorted((root / "annotations").glob("instances_*.json"))
    return [path.stem.removeprefix("instances_") for path in listings]


@register_kind(
    "coco",
    "COCO instances",
    coco_splits,
    "annotations/instances_train2017.json, train2017",
    stills=True,
    address="https://cocodataset.org",
)
def coco_instances(
    root: str | Path,
    split: str = "train2017",
    min_box: float = 30,
    categories: Collection[str] | None = None,
) -> list[Sequence]:
    """Every image with an instance left, each a sequence of one frame.

    ``min_box`` is in pixels; with ``categories``, instances of others are left out
    (`PUBLISHED_CATEGORIES` as published). Raises `InputError` where pycocotools or a file is
    missing, or nothing is left.
    """
    package("pycocotools.mask", "coco", "COCO")  # before the listing, which takes its time, is read
    root = Path(root)
    listing = root / "annotations" / f"instances_{split}.json"
    content = _read(listing)
    try:
        wanted = _category_ids(content, categories, listing)
        parts = _parts_by_image(content, min_box, wanted)
        images = sorted((i for i in content["images"] if i["id"] in parts), key=lambda i: i["id"])
        paths = [_image_folder(root, split) / image["file_name"] for image in images]
        masks = [
            InstanceMask(
                f"{image['file_name']} in {listing}",
                image["height"],
                image["width"],
                tuple(parts[image["id"]]),
            )
            for image in images
        ]
    except InputError:
        raise
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{listing}: an entry is not as COCO's instances are ({error})", "replace the file"
        ) from error
    if not paths:
        raise InputError(
            f"{listing}: no image has an instance of at least {min_box} pixels and no crowd",
            "lower min_box or name more categories",
        )
    present = {path.name for path in paths[0].parent.iterdir()}
    missing = [path for path in paths if path.name not in present]
    if missing:
        raise InputError(
            f"{missing[0]}: missing, with {len(missing) - 1} more of {len(paths)} images",
            "complete the download",
        )
    return [Sequence(path.stem, (path,), (mask,)) for path, mask in zip(paths, masks, strict=True)]


def _read(listing: Path) -> dict[str, Any]:
    try:
        content = parsed(json.loads, read_bounded(listing, MAX_LISTING), listing, "JSON")
        if all(key in content for key in ("images", "annotations", "categories")):
            return dict(content)
    except FileNotFoundError:
        raise InputError(
            f"{listing}: no such file", f"is {listing.parents[1]} the root of COCO?"
        ) from None
    except (ValueError, TypeError):  # also `InputError`
        pass
    raise InputError(
        f"{listing}: not COCO instances, which have images, annotations and categories",
        "replace it",
    )


def _category_ids(
    content: dict[str, Any], names: Collection[str] | None, listing: Path
) -> set[int]:
    known = {category["name"]: category["id"] for category in content["categories"]}
    unknown = sorted(set(names or ()) - known.keys())
    if unknown:
        raise InputError(f"{listing}: has no category {unknown[0]!r}", f"it has {', '.join(known)}")
    return {known[name] for name in (known if names is None else names)}


def _parts_by_image(
    content: dict[str, Any], min_box: float, categories: set[int]
) -> dict[int, list[np.ndarray | dict[str, Any]]]:
    crowded = {a["image_id"] for a in content["annotations"] if a.get("iscrowd")}
    parts: dict[int, list[np.ndarray | dict[str, Any]]] = {}
    for annotation in content["annotations"]:
        if (
            annotation["image_id"] not in crowded
            and min(annotation["bbox"][2:]) >= min_box
            and annotation["category_id"] in categories
        ):
            segmentation = annotation["segmentation"]
            if isinstance(segmentation, list):
                # pycocotools takes four numbers, two corners of a polygon, for a box
                usable = [
                    np.asarray(polygon, float) for polygon in segmentation if len(polygon) > 4
                ]
            else:
                usable = [segmentation]
            if usable:
                parts.setdefault(annotation["image_id"], []).extend(usable)
    return parts


def _image_folder(root: Path, split: str) -> Path:
    for folder in (root / split, root / "images" / split):
        if folder.is_dir():
            return folder
    raise InputError(f"{root / split}: no such folder", f"put the images of {split} there")
