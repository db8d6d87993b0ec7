"""Numbered objects as palette PNG, the way DAVIS stores its annotations."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from threedcseg.outputs.formats import SegmentedFrame, Sink, output_format
from threedcseg.outputs.regions import TrackedObject, number_map
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.frame import FrameSource
from threedcseg.video.writer import PngFolder


@output_format(
    "palette",
    "palette/*.png",
    summary="PNG, objects numbered and coloured as in DAVIS",
    needs_objects=True,
    drawn_by=(),
)
@contextmanager
def open_palette(folder: Path, source: FrameSource, rendering: Rendering) -> Iterator[Sink]:
    """See `PaletteWriter` and `label_map`."""
    with PaletteWriter(folder) as writer:

        def sink(result: SegmentedFrame) -> None:
            writer.write(result.frame.name, label_map(result.objects, *result.mask.shape))

        yield sink


def davis_palette() -> np.ndarray:
    """``(256, 3)`` uint8: black, dark red, green, ...; the colours of PASCAL VOC and DAVIS.

    The three lowest bits of a number become the highest bits of red, green and blue, the next
    three the bits below, and so on.
    """
    numbers = np.arange(256)[:, None]
    palette = np.zeros((256, 3), np.uint8)
    for digit in range(3):
        bits = numbers >> (3 * digit + np.arange(3)) & 1
        palette |= (bits << (7 - digit)).astype(np.uint8)
    return palette


def label_map(objects: Sequence[TrackedObject], height: int, width: int) -> np.ndarray:
    """``(H, W)`` uint8: 0, or the object's track; the 256th track is 1 again, and so on."""
    numbers = number_map(objects, height, width)
    return np.where(numbers > 0, (numbers - 1) % 255 + 1, 0).astype(np.uint8)


class PaletteWriter(PngFolder):
    """Numbered objects as PNG of mode P with the colours of DAVIS."""

    def write(self, name: str, labels: np.ndarray) -> None:
        """Write ``name``.png from ``(H, W)`` uint8."""
        image = Image.fromarray(labels, "P")
        image.putpalette(davis_palette().tobytes())
        png = BytesIO()
        image.save(png, "PNG", compress_level=1)
        self._write(name, png.getvalue())
