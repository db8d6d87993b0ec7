"""The object as an image with alpha for each frame, for compositors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from threedcseg.outputs.alpha import with_alpha
from threedcseg.outputs.formats import SegmentedFrame, Sink, output_format
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.frame import FrameSource
from threedcseg.video.writer import RgbaWriter


@output_format(
    "rgba",
    "rgba/*.png",
    summary="PNG with straight alpha, 8 or 16 bits",
    drawn_by=("edges", "feather"),
)
@contextmanager
def open_rgba(folder: Path, source: FrameSource, rendering: Rendering) -> Iterator[Sink]:
    """See `RgbaWriter` and `with_alpha`."""
    with RgbaWriter(folder) as writer:

        def sink(result: SegmentedFrame) -> None:
            writer.write(result.frame.name, with_alpha(result.colors, result.alpha))

        yield sink
