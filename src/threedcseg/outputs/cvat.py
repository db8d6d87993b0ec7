"""Objects as an XML file for CVAT, written frame by frame; in memory is where each shape begins."""

from array import array
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, TextIO

import cv2
import numpy as np

from threedcseg.atomic import replacing
from threedcseg.outputs.formats import SegmentedFrame, Sink, output_format
from threedcseg.outputs.regions import TrackedObject
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.frame import FrameSource

LABEL = "object"


class CvatTracks:
    """CVAT for video 1.1, polygons; see `open_cvat`.

    The format has all frames of a track together, so that shapes go to a scratch file first; in
    memory is only where each one begins.
    """

    def __init__(self, file: TextIO, scratch: BinaryIO, source: FrameSource) -> None:
        self._file, self._scratch, self._source = file, scratch, source
        self._offsets: defaultdict[int, array[int]] = defaultdict(lambda: array("Q"))
        self._showing: dict[int, str] = {}  # the outline of every object in the last frame
        self._frame = -1

    def __call__(self, result: SegmentedFrame) -> None:
        self._frame = result.frame.index
        now = {item.track: _outline(item) for item in result.objects}
        for track, points in self._showing.items():
            if track not in now:
                self._shape(track, points, outside=True)
        for track, points in now.items():
            self._shape(track, points, outside=False)
        self._showing = now

    def _shape(self, track: int, points: str, outside: bool) -> None:
        self._offsets[track].append(self._scratch.tell())
        self._scratch.write(
            f'<polygon frame="{self._frame}" keyframe="1" outside="{int(outside)}" occluded="0" '
            f'points="{points}" z_order="0"></polygon>\n'.encode()
        )

    def finish(self) -> None:
        self._file.write(
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
            f"<meta><task><size>{self._frame + 1}</size><mode>interpolation</mode>"
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


@output_format(
    "cvat",
    "cvat.xml",
    summary="CVAT for video 1.1, a track for each object",
    needs_objects=True,
    drawn_by=(),
)
@contextmanager
def open_cvat(path: Path, source: FrameSource, rendering: Rendering) -> Iterator[Sink]:
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
    """The outer contour of an object as CVAT writes points, in pixels from the frame's corner.

    A polygon is one piece: several regions are joined by bridges without width.
    """
    # Twice the size, so that the outline runs along the pixels' edges and not through their middle.
    doubled = np.repeat(np.repeat(item.region.view(np.uint8), 2, axis=0), 2, axis=1)
    outlines, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    pieces = [_points(outline) for outline in outlines]
    points, *others = sorted(pieces, key=len, reverse=True)
    for other in others:
        distances = np.linalg.norm(points[:, None] - other, axis=2)
        here, there = np.unravel_index(np.argmin(distances), distances.shape)
        round_trip = np.concatenate([other[there:], other[: there + 1]])
        points = np.concatenate([points[: here + 1], round_trip, points[here:]])
    return ";".join(f"{item.x + x:.2f},{item.y + y:.2f}" for x, y in points)


def _points(outline: np.ndarray) -> np.ndarray:
    """``(N, 2)`` x, y: the corners of a contour of an object drawn at twice its size."""
    points = (cv2.approxPolyDP(outline, 1.5, closed=True)[:, 0] + 0.5) / 2
    if len(points) >= 3:
        return points
    x, y, width, height = cv2.boundingRect(outline)  # too thin for an area: its box
    left, top, right, bottom = x / 2, y / 2, (x + width) / 2, (y + height) / 2
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
