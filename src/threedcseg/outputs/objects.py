"""What objects there are: a table, and a sheet with a picture of each."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from threedcseg.atomic import replacing
from threedcseg.outputs.formats import SegmentedFrame, Sink, output_format
from threedcseg.outputs.overlay import overlay
from threedcseg.outputs.palette import davis_palette
from threedcseg.outputs.regions import TrackedObject
from threedcseg.outputs.rendering import Rendering
from threedcseg.outputs.tracking import YOUNG
from threedcseg.video.frame import FrameSource

COLUMNS = ("object", "first_frame", "last_frame", "frames", "width", "height", "area", "share")
TABLE = "objects/objects.csv"
_CELL = 160  # pixels, the side of a picture on the sheet
_CAPTION = 34
_ACROSS = 6
_MOST = 48  # pictures on the sheet, and in memory


@dataclass
class Summary:
    """One object over the whole video; ``width``, ``height`` and ``area`` where it is largest."""

    number: int
    first_frame: int
    last_frame: int = 0
    num_frames: int = 0
    pixels: int = 0
    width: int = 0
    height: int = 0
    area: int = 0
    picture: np.ndarray | None = None


class ObjectSheet:
    """Sums up the objects of a video; see `open_objects`."""

    def __init__(self) -> None:
        self.summaries: dict[int, Summary] = {}

    def __call__(self, result: SegmentedFrame) -> None:
        for item in result.objects:
            one = self.summaries.setdefault(item.track, Summary(item.track, result.frame.index))
            one.last_frame = result.frame.index
            one.num_frames += 1
            one.pixels += item.area
            # A new picture only where it is a good deal larger: each is made of the whole frame.
            if item.area > 1.1 * one.area:
                one.picture = _picture(result, item)
            if item.area > one.area:
                one.width, one.height, one.area = item.width, item.height, item.area
        shown = [one for one in self.summaries.values() if one.picture is not None]
        for one in sorted(shown, key=lambda one: -one.pixels)[_MOST:]:
            one.picture = None

    def rows(self, num_pixels: int) -> Iterator[list[object]]:
        """A row of `COLUMNS` for each object; its share of the frame is where it is largest."""
        for one in self.summaries.values():
            share = f"{one.area / num_pixels:.4f}"
            span = one.first_frame, one.last_frame, one.num_frames
            yield [one.number, *span, one.width, one.height, one.area, share]

    def sheet(self) -> np.ndarray:
        """``(H, W, 3)`` uint8 RGB: the pictures, with number, frames and size below each."""
        shown = [one for one in self.summaries.values() if one.picture is not None]
        rows = max(1, -(-len(shown) // _ACROSS))
        columns = min(_ACROSS, max(1, len(shown)))
        image = np.full((rows * (_CELL + _CAPTION), columns * _CELL, 3), 24, np.uint8)
        for place, one in enumerate(shown):
            assert one.picture is not None
            top, left = place // _ACROSS * (_CELL + _CAPTION), place % _ACROSS * _CELL
            height, width = one.picture.shape[:2]
            y, x = top + (_CELL - height) // 2, left + (_CELL - width) // 2
            image[y : y + height, x : x + width] = one.picture
            lines = f"{one.number}", f"{one.first_frame}-{one.last_frame}, {one.width}x{one.height}"
            for line, (text, size) in enumerate(zip(lines, (0.5, 0.36), strict=True)):
                at = left + 6, top + _CELL + 13 + 15 * line
                cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, (235,) * 3, 1, 16)
        return image


@output_format(
    "objects",
    TABLE,
    "objects/objects.png",
    summary="CSV of the objects, and a sheet with a picture of each",
    needs_objects=True,
    drawn_by=(),
)
@contextmanager
def open_objects(path: Path, source: FrameSource, rendering: Rendering) -> Iterator[Sink]:
    """A table of the objects, and beside it a sheet of the 48 that have most pixels in all."""
    path.parent.mkdir(parents=True, exist_ok=True)  # apart from the masks, which it is none of
    with replacing(path) as temporary, replacing(path.with_suffix(".png")) as sheet:
        objects = ObjectSheet()
        yield objects
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(objects.rows(source.width * source.height))
        _, png = cv2.imencode(".png", cv2.cvtColor(objects.sheet(), cv2.COLOR_RGB2BGR))
        sheet.write_bytes(png.tobytes())


def lasting_objects(folder: Path) -> Iterator[str]:
    """The table in a folder of results, for people: without what flickers up, which is counted."""
    heading, *rows = (line.split(",") for line in (folder / TABLE).read_text("utf-8").splitlines())
    place = COLUMNS.index("frames")
    least = min(YOUNG, max((int(row[place]) for row in rows), default=0))
    lasting = [row for row in rows if int(row[place]) >= least]
    widths = [max(map(len, column)) for column in zip(heading, *lasting, strict=True)]
    for row in (heading, *lasting):
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
    if brief := len(rows) - len(lasting):
        yield f"and {brief} more, seen in less than {least} frames: {folder / TABLE}"


def _picture(result: SegmentedFrame, item: TrackedObject) -> np.ndarray:
    """The object, outlined, with a little of what is around it."""
    height, width = result.mask.shape
    margin = max(item.width, item.height) // 6 + 2
    top, bottom = max(0, item.y - margin), min(height, item.y + item.height + margin)
    left, right = max(0, item.x - margin), min(width, item.x + item.width + margin)
    mask = np.zeros((bottom - top, right - left), bool)
    y, x = item.y - top, item.x - left
    mask[y : y + item.height, x : x + item.width] = item.region
    scale = (_CELL - 8) / max(mask.shape)
    size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = cv2.resize(result.frame.image[top:bottom, left:right], size, interpolation=method)
    outline = cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return overlay(image, outline, color=object_color(item.track), opacity=0.25)


def object_color(track: int) -> tuple[int, int, int]:
    """RGB of an object, wherever objects are told apart by colour: a bright form of DAVIS's."""
    red, green, blue = davis_palette()[(track - 1) % 255 + 1]
    return min(255, int(red) + 64), min(255, int(green) + 64), min(255, int(blue) + 64)
