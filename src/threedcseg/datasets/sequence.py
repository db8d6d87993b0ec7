"""What every data set is to the rest of the code: named sequences of frame and mask files."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from threedcseg.errors import InputError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff"})


@dataclass(frozen=True)
class Sequence:
    """Frames in order and, for each, its ground truth or None where it was not annotated.

    A still image is a sequence of one frame.
    """

    name: str
    frames: tuple[Path, ...]
    masks: tuple[Path | None, ...]


def read_frame(path: Path, max_short_edge: int | None = None) -> np.ndarray:
    """An image file as ``(H, W, 3)`` uint8 RGB.

    With ``max_short_edge``, JPEGs are decoded at half, a quarter or an eighth of their size as
    long as the short edge stays at least that long, which is several times faster.
    Raises `InputError` naming a file that cannot be read.
    """
    flag = cv2.IMREAD_COLOR
    if max_short_edge is not None and path.suffix.lower() in {".jpg", ".jpeg"}:
        flag = _reduced_flag(path, max_short_edge)
    image = cv2.imread(str(path), flag)
    if image is None:
        raise InputError(f"{path}: not a readable image; replace the file or leave it out")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _reduced_flag(path: Path, max_short_edge: int) -> int:
    from PIL import Image  # reads the header only

    with Image.open(path) as image:
        short_edge = min(image.size)
    for factor, flag in (
        (8, cv2.IMREAD_REDUCED_COLOR_8),
        (4, cv2.IMREAD_REDUCED_COLOR_4),
        (2, cv2.IMREAD_REDUCED_COLOR_2),
    ):
        if short_edge // factor >= max_short_edge:
            return flag
    return cv2.IMREAD_COLOR


def read_mask(path: Path) -> np.ndarray:
    """A mask file as ``(H, W)`` uint8 {0, 255}: everything but 0 is foreground.

    Reads modes 1, L, LA, P, RGB and I;16; a palette's indices count, not its colours.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            if image.mode in {"LA", "RGBA"}:
                image = image.convert("L" if image.mode == "LA" else "RGB")
            values = np.asarray(image)
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(
            f"{path}: not a readable mask; replace the file or leave it out"
        ) from error
    if values.ndim == 3:
        values = values.max(axis=2)
    return np.where(values > 0, np.uint8(255), np.uint8(0))
