"""Numbered objects as palette PNG, the way DAVIS stores its annotations."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image

from threedcseg.outputs.tracking import TrackedObject
from threedcseg.video.writer import PngFolder


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
    labels = np.zeros((height, width), np.uint8)
    for item in objects:
        box = labels[item.y : item.y + item.height, item.x : item.x + item.width]
        box[item.region] = (item.track - 1) % 255 + 1
    return labels


class PaletteWriter(PngFolder):
    """Numbered objects as PNG of mode P with the colours of DAVIS."""

    def write(self, name: str, labels: np.ndarray) -> None:
        """Write ``name``.png from ``(H, W)`` uint8."""
        image = Image.fromarray(labels, "P")
        image.putpalette(davis_palette().tobytes())
        png = BytesIO()
        image.save(png, "PNG", compress_level=1)
        self._write(name, png.getvalue())
