"""Objects as a table of bounding boxes."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from threedcseg.atomic import replacing
from threedcseg.outputs.formats import SegmentedFrame, Sink, output_format
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.frame import FrameSource

RUN = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet takes for the beginning of a formula: the last four are full-width."""
COLUMNS = ("frame", "name", "seconds", "track", "x", "y", "width", "height", "area")


@output_format(
    "boxes",
    "boxes.csv",
    summary="CSV, a line for each object in each frame",
    needs_objects=True,
    drawn_by=(),
)
@contextmanager
def open_boxes(path: Path, source: FrameSource, rendering: Rendering) -> Iterator[Sink]:
    """Bounding boxes as CSV, with a heading; pixels, ``x`` and ``y`` of the upper left one."""
    with (
        replacing(path) as temporary,
        # Names of frames are written as they are in the folder, also where that is not UTF-8.
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(COLUMNS)

        def sink(result: SegmentedFrame) -> None:
            index, name = result.frame.index, result.frame.name
            time = float(source.extent.before + result.frame.time)
            for o in result.objects:
                box = (o.x, o.y, o.width, o.height)
                rows.writerow([index, cell(name), f"{time:.6f}", o.track, *box, o.area])

        yield sink


def cell(name: str) -> str:
    """A name as a spreadsheet shows it and never runs it: with an apostrophe before a formula.

    >>> cell("=1+1")
    "'=1+1"
    """
    return f"'{name}" if name.startswith(RUN) else name
