"""Objects in the files that annotation tools read: COCO, CVAT, a table of boxes.

All are written frame by frame in constant memory, and appear under their name when whole.
"""

import csv
import json
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Protocol, TextIO

import cv2
import numpy as np

from threedcseg.atomic import replacing
from threedcseg.errors import InputError
from threedcseg.outputs.tracking import TrackedObject
from threedcseg.video.reader import Frame, FrameSource

LABEL = "object"


class AnnotationWriter(Protocol):
    """Takes the frames in order, each with its objects."""

    def write(self, frame: Frame, objects: Sequence[TrackedObject]) -> None: ...


class BoxTable:
    """CSV, a line for each object in each frame; see `open_boxes`."""

    columns = ("frame", "name", "seconds", "track", "x", "y", "width", "height", "area")

    def __init__(self, file: TextIO) -> None:
        self._rows = csv.writer(file)
        self._rows.writerow(self.columns)

    def write(self, frame: Frame, objects: Sequence[TrackedObject]) -> None:
        for o in objects:
            seconds = f"{float(frame.time):.6f}"
            self._rows.writerow(
                [frame.index, frame.name, seconds, o.track, o.x, o.y, o.width, o.height, o.area]
            )


@contextmanager
def open_boxes(path: Path, source: FrameSource) -> Iterator[BoxTable]:
    """Bounding boxes as CSV, with a heading; pixels, ``x`` and ``y`` of the upper left one."""
    with (
        replacing(path) as temporary,
        # Names of frames are written as they are in the folder, also where that is not UTF-8.
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        yield BoxTable(file)


class CocoAnnotations:
    """COCO object detection JSON with compressed run lengths; see `open_coco`."""

    def __init__(self, file: TextIO, images: BinaryIO, source: FrameSource) -> None:
        self._file, self._images, self._source = file, images, source
        self._count = 0
        category = {"id": 1, "name": LABEL, "supercategory": LABEL}
        video = {"id": 1, "name": source.path.name}
        info = {"description": source.path.name}
        file.write(f'{{"info": {json.dumps(info)},\n"licenses": [],\n')
        file.write(f'"videos": [{json.dumps(video)}],\n"categories": [{json.dumps(category)}],\n')
        file.write('"annotations": [')

    def write(self, frame: Frame, objects: Sequence[TrackedObject]) -> None:
        from pycocotools import mask as coco

        height, width = self._source.height, self._source.width
        image = {
            "id": frame.index + 1,
            "file_name": f"{frame.name}.png",
            "width": width,
            "height": height,
            "video_id": 1,
            "frame_id": frame.index,
            "seconds": round(float(frame.time), 6),
        }
        self._images.write(f"{',' if frame.index else ''}\n{json.dumps(image)}".encode())
        for item in objects:
            whole = np.zeros((height, width), np.uint8, order="F")
            box = whole[item.y : item.y + item.height, item.x : item.x + item.width]
            box[item.region] = 1
            runs = coco.encode(whole)
            self._count += 1
            annotation = {
                "id": self._count,
                "image_id": frame.index + 1,
                "category_id": 1,
                "segmentation": {"size": [height, width], "counts": runs["counts"].decode()},
                "area": item.area,
                "bbox": [item.x, item.y, item.width, item.height],
                "iscrowd": 0,
                "track_id": item.track,
            }
            self._file.write(f"{',' if self._count > 1 else ''}\n{json.dumps(annotation)}")

    def finish(self) -> None:
        self._file.write('\n],\n"images": [')
        self._images.seek(0)
        for line in self._images:
            self._file.write(line.decode())
        self._file.write("\n]}\n")


@contextmanager
def open_coco(path: Path, source: FrameSource) -> Iterator[CocoAnnotations]:
    """COCO JSON: an image for each frame (its name that of the mask), an annotation for each object
    in it, with ``track_id`` for what is the same object from frame to frame.

    Raises `InputError` without pycocotools (extra ``[coco]``).
    """
    check_coco()
    with ExitStack() as stack:
        file = stack.enter_context(stack.enter_context(replacing(path)).open("w", encoding="utf-8"))
        images = stack.enter_context(TemporaryFile(dir=path.parent))
        writer = CocoAnnotations(file, images, source)
        yield writer
        writer.finish()


def check_coco() -> None:
    """Raise `InputError` unless pycocotools is there."""
    try:
        import pycocotools.mask  # noqa: F401
    except ImportError:
        raise InputError(
            "COCO needs pycocotools, which is not installed: pip install 'threedcseg[coco]'"
        ) from None


class CvatTracks:
    """CVAT for video 1.1, polygons; see `open_cvat`.

    The format has all frames of a track together, so that shapes go to a scratch file first; in
    memory is only where each one begins.
    """

    def __init__(self, file: TextIO, scratch: BinaryIO, source: FrameSource) -> None:
        self._file, self._scratch, self._source = file, scratch, source
        self._offsets: defaultdict[int, array[int]] = defaultdict(lambda: array("Q"))
        self._showing: dict[int, str] = {}  # the outline of every object in the last frame
        self._frames = 0

    def write(self, frame: Frame, objects: Sequence[TrackedObject]) -> None:
        now = {item.track: _outline(item) for item in objects}
        for track, points in self._showing.items():
            if track not in now:
                self._shape(track, points, outside=True)
        for track, points in now.items():
            self._shape(track, points, outside=False)
        self._showing = now
        self._frames += 1

    def _shape(self, track: int, points: str, outside: bool) -> None:
        self._offsets[track].append(self._scratch.tell())
        self._scratch.write(
            f'<polygon frame="{self._frames}" keyframe="1" outside="{int(outside)}" occluded="0" '
            f'points="{points}" z_order="0"></polygon>\n'.encode()
        )

    def finish(self) -> None:
        self._file.write(
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
            f"<meta><task><size>{self._frames}</size><mode>interpolation</mode>"
            f"<labels><label><name>{LABEL}</name><attributes></attributes></label></labels>"
            f"<original_size><width>{self._source.width}</width>"
            f"<height>{self._source.height}</height></original_size></task></meta>\n"
        )
        for track in sorted(self._offsets):
            self._file.write(f'<track id="{track - 1}" label="{LABEL}" source="auto">\n')
            for offset in self._offsets[track]:
                self._scratch.seek(offset)
                self._file.write(self._scratch.readline().decode())
            self._file.write("</track>\n")
        self._file.write("</annotations>\n")


@contextmanager
def open_cvat(path: Path, source: FrameSource) -> Iterator[CvatTracks]:
    """An XML file for CVAT's "CVAT for video 1.1": one track for each connected object, a polygon
    in each frame, its label ``object`` (the task needs a label of that name).

    Polygons, since CVAT has no tracks of masks: outer outlines to about a pixel, without holes.
    """
    with ExitStack() as stack:
        file = stack.enter_context(stack.enter_context(replacing(path)).open("w", encoding="utf-8"))
        writer = CvatTracks(file, stack.enter_context(TemporaryFile(dir=path.parent)), source)
        yield writer
        writer.finish()


def _outline(item: TrackedObject) -> str:
    """The outer contour of an object as CVAT writes points, in pixels from the frame's corner."""
    # Twice the size, so that the outline runs along the pixels' edges and not through their middle.
    doubled = np.repeat(np.repeat(item.region.view(np.uint8), 2, axis=0), 2, axis=1)
    (outline,), _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    points = (cv2.approxPolyDP(outline, 1.5, closed=True)[:, 0] + 0.5) / 2 + (item.x, item.y)
    if len(points) < 3:  # too thin for an area: its box
        right, bottom = item.x + item.width, item.y + item.height
        corners = [(item.x, item.y), (right, item.y), (right, bottom), (item.x, bottom)]
        points = np.array(corners, float)
    return ";".join(f"{x:.2f},{y:.2f}" for x, y in points)
