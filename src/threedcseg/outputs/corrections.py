"""Masks that a person has corrected: a folder of them, COCO JSON, or XML of CVAT."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

import cv2
import numpy as np

from threedcseg.errors import InputError
from threedcseg.reading import parse_json, parsed, read_bounded
from threedcseg.run_lengths import coco_mask, mask_of
from threedcseg.video.frame import Frame
from threedcseg.video.images import read_image
from threedcseg.video.paths import list_images

MAX_BYTES = 512 << 20  # of a file of annotations
_FINER = 4  # times as many pixels in which polygons are drawn

Draw = Callable[[int, int], np.ndarray]
"""Makes the mask ``(H, W)`` bool of a height and a width; `InputError` where it has another."""


@dataclass(frozen=True)
class Corrections:
    """The masks of some frames.

    Attributes:
        path: the file or folder they are from.
        digest: of what it holds.
        masks: by name, or number where only that is known, of the frame.
    """

    path: Path
    digest: str
    masks: Mapping[str | int, Draw] = field(default_factory=dict)

    def of(self, frame: Frame) -> Draw | None:
        """What makes the mask of a frame, if that is among them."""
        return self.masks.get(frame.name) or self.masks.get(frame.index)

    def check_met(self, frames: set[str | int]) -> None:
        """Raise `InputError` where some are of none of the ``frames`` whose masks were asked for,
        by name and by number."""
        unknown = [key for key in self.masks if key not in frames]
        if unknown:
            others = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            raise InputError(
                f"{self.path} has frame {unknown[0]}{others}, which the video has not",
                "name masks as those that were written",
            )


def read_corrections(path: str | Path) -> Corrections:
    """The corrected masks in ``path``.

    A folder has an image for each corrected frame, named as our masks are, with 0 where there is no
    object. COCO JSON has polygons or run lengths; every image in it counts as corrected. XML of
    CVAT ("for video 1.1" or "for images 1.1") has polygons and masks; in a video those frames count
    that hold a key frame. Raises `InputError` for what cannot be read, or holds nothing.
    """
    path = Path(path)
    if path.is_dir():
        images = list_images(path)
        masks: dict[str | int, Draw] = {image.stem: _from_image(image) for image in images}
        digest = hashlib.sha256()
        for image in images:
            digest.update(f"{image.name}\0".encode("utf-8", "surrogateescape"))
            digest.update(hashlib.sha256(read_bounded(image, MAX_BYTES)).digest())
    elif path.exists():
        content = read_bounded(path, MAX_BYTES)
        digest = hashlib.sha256(content)
        is_xml = content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
        masks = _read_cvat(content, path) if is_xml else _read_coco(content, path)
    else:
        raise InputError(f"{path} does not exist", "check the name")
    if not masks:
        raise InputError(f"{path} holds no corrected frame", "give masks, COCO JSON or XML of CVAT")
    return Corrections(path, digest.hexdigest(), masks)


def _from_image(path: Path) -> Draw:
    def draw(height: int, width: int) -> np.ndarray:
        image = read_image(path)
        _check_size(f"{path}", image.shape[1], image.shape[0], width, height)
        blurred = path.suffix.lower() in (".jpg", ".jpeg")
        return image.max(axis=2) > (127 if blurred else 0)

    return draw


def _check_size(what: str, width: int, height: int, needed_width: int, needed_height: int) -> None:
    if (width, height) != (needed_width, needed_height):
        raise InputError(
            f"{what} is {width}x{height}, the frames are {needed_width}x{needed_height}",
            "give masks of the video's own size",
        )


# ---- COCO


def _read_coco(content: bytes, path: Path) -> dict[str | int, Draw]:
    def read(values: Any) -> dict[str | int, Draw]:
        images = {image["id"]: image for image in values["images"]}
        segmentations: dict[Any, list[Any]] = {key: [] for key in images}
        for annotation in values["annotations"]:
            segmentations[annotation["image_id"]].append(annotation["segmentation"])
        return {
            Path(str(image["file_name"])).stem: _from_segmentations(
                f"{path}, {image['file_name']}",
                int(image["width"]),
                int(image["height"]),
                segmentations[key],
            )
            for key, image in images.items()
        }

    values = parse_json(content, path)
    return parsed(read, values, path, "COCO", also=(LookupError, TypeError, AttributeError))


def _from_segmentations(what: str, width: int, height: int, parts: list[Any]) -> Draw:
    def draw(needed_height: int, needed_width: int) -> np.ndarray:
        _check_size(what, width, height, needed_width, needed_height)
        mask = np.zeros((height, width), bool)
        for part in parts:
            if isinstance(part, list):
                for polygon in part:
                    points = np.array(polygon, float).reshape(-1, 2)
                    _fill(mask, points)
            else:
                if tuple(part["size"]) != (height, width):
                    raise ValueError(f"run lengths of another size, {part['size']}")
                mask |= coco_mask(part["counts"], height, width)
        return mask

    return lambda height, width: parsed(
        lambda size: draw(*size), (height, width), what, "outlines", also=(LookupError, TypeError)
    )


# ---- CVAT


def _read_cvat(content: bytes, path: Path) -> dict[str | int, Draw]:
    shapes = _CvatShapes(path)
    parser = expat.ParserCreate()
    parser.StartElementHandler = shapes.begin
    parser.EndElementHandler = shapes.end
    parser.StartDoctypeDeclHandler = shapes.refuse  # no entities, which may grow without bound
    also = (expat.ExpatError, LookupError)
    parsed(lambda text: parser.Parse(text, True), content, path, "XML of CVAT", also=also)
    return shapes.masks()


class _CvatShapes:
    """The shapes of an XML file of CVAT, by frame."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shapes: dict[str | int, list[tuple[str, dict[str, str]]]] = {}
        self._sizes: dict[str | int, tuple[int, int]] = {}
        self._keys: set[int] = set()
        self._image: str | None = None
        self._inside: list[str] = []

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._inside) > 32:
            raise InputError(f"{self._path}: nested more than 32 deep")
        if not self._inside and name != "annotations":
            raise InputError(f"{self._path} is XML, but not of CVAT", "export it as CVAT 1.1")
        parent = self._inside[-1] if self._inside else ""
        self._inside.append(name)
        if name == "image":
            self._image = Path(attributes["name"]).stem
            self._sizes[self._image] = int(attributes["width"]), int(attributes["height"])
            self._shapes.setdefault(self._image, [])
        elif parent == "track":
            frame = int(attributes["frame"])
            self._add(frame, name, attributes)
            if attributes.get("keyframe", "1") == "1":
                self._keys.add(frame)
        elif parent == "image":
            assert self._image is not None
            self._add(self._image, name, attributes)

    def end(self, name: str) -> None:
        self._inside.pop()

    def refuse(self, *_: object) -> None:
        raise InputError(f"{self._path} declares a document type, which CVAT does not", "remove it")

    def _add(self, frame: str | int, name: str, attributes: dict[str, str]) -> None:
        if name in ("box", "ellipse", "polyline", "points", "cuboid", "skeleton"):
            raise InputError(
                f"{self._path} has a {name} in frame {frame}", "draw polygons or masks"
            )
        shapes = self._shapes.setdefault(frame, [])
        if name in ("polygon", "mask") and attributes.get("outside", "0") != "1":
            shapes.append((name, attributes))

    def masks(self) -> dict[str | int, Draw]:
        return {
            frame: _from_shapes(f"{self._path}, frame {frame}", shapes, self._sizes.get(frame))
            for frame, shapes in self._shapes.items()
            if isinstance(frame, str) or frame in self._keys
        }


def _from_shapes(
    what: str, shapes: list[tuple[str, dict[str, str]]], size: tuple[int, int] | None
) -> Draw:
    def draw(height: int, width: int) -> np.ndarray:
        if size is not None:
            _check_size(what, *size, width, height)
        mask = np.zeros((height, width), bool)
        for name, attributes in shapes:
            if name == "polygon":
                pairs = re.split("[;,]", attributes["points"])
                _fill(mask, np.array(pairs, float).reshape(-1, 2))
            else:
                left, top, across, down = (
                    int(attributes[key]) for key in ("left", "top", "width", "height")
                )
                if min(left, top, across, down) < 0 or left + across > width or top + down > height:
                    raise ValueError("a mask that is not inside of the frame")
                runs = [int(number) for number in attributes["rle"].split(",")]
                part = mask_of(runs, across * down).reshape(down, across)
                mask[top : top + down, left : left + across] |= part
        return mask

    return lambda height, width: parsed(
        lambda size: draw(*size), (height, width), what, "outlines", also=(LookupError,)
    )


def _fill(mask: np.ndarray, points: np.ndarray) -> None:
    """Set the pixels of which a polygon, in pixels from the frame's corner, covers one half."""
    height, width = mask.shape
    if not np.isfinite(points).all() or len(points) < 3:
        raise ValueError("a polygon without an area")
    points = np.clip(points, (-width, -height), (2 * width, 2 * height))
    first = np.clip(np.floor(points.min(axis=0)).astype(int), 0, (width, height))
    last = np.clip(np.ceil(points.max(axis=0)).astype(int), 0, (width, height))
    (left, top), (right, bottom) = first, last
    if left >= right or top >= bottom:
        return
    fine = np.zeros(((bottom - top) * _FINER, (right - left) * _FINER), np.uint8)
    corners = (points - first) * _FINER - 0.5
    cv2.fillPoly(fine, [np.rint(corners).astype(np.int32)], 255)
    covered = cv2.resize(fine, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    mask[top:bottom, left:right] |= covered > 127
