"""What every data set is to the rest of the code: named sequences of frames and their masks."""

from collections.abc import Callable, Hashable, Mapping
from collections.abc import Sequence as Items
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import cv2
import numpy as np

from threedcseg.errors import InputError
from threedcseg.video.paths import list_images

VOID = 127
"""The value, in masks {0, 255}, of pixels that the ground truth leaves open: losses ignore them.

Below one half, so that code that knows no void pixels takes them for background, as the DAVIS 2017
evaluation does.
"""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff"})


class Annotation(Protocol):
    """The ground truth of a frame that is more than a file in which all but 0 is foreground."""

    def read(self) -> np.ndarray:
        """``(H, W)`` uint8 {0, VOID, 255}; raises `InputError` where it cannot be read."""
        ...


Mask = Path | Annotation


@dataclass(frozen=True)
class Sequence:
    """Frames in order and, for each, its ground truth or None where it was not annotated.

    A still image is a sequence of one frame. ``strays`` are masks that belong to no frame.
    """

    name: str
    frames: tuple[Path, ...]
    masks: tuple[Mask | None, ...]
    strays: tuple[Mask, ...] = ()


Key = TypeVar("Key", bound=Hashable)


def pair(
    name: str,
    frames: Items[Path],
    masks: Mapping[Key, Mask],
    key: Callable[[Path], Key],
) -> Sequence:
    """A sequence in which each frame has the mask of its ``key``, such as its stem or number."""
    keys = [key(frame) for frame in frames]
    strays = masks.keys() - set(keys)
    return Sequence(
        name,
        tuple(frames),
        tuple(masks.get(k) for k in keys),
        tuple(mask for k, mask in masks.items() if k in strays),
    )


def list_frames(folder: Path) -> list[Path]:
    """The images of a folder in natural order; of two that differ in their extension, the first.

    Hidden files are left out; an absent folder has none.
    """
    if not folder.is_dir():
        return []
    frames: dict[str, Path] = {}
    for path in list_images(folder):
        frames.setdefault(path.stem, path)
    return list(frames.values())


def list_folders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted, but hidden ones; an absent folder has none."""
    children = folder.iterdir() if folder.is_dir() else ()
    return sorted(child for child in children if child.is_dir() and child.name[0] != ".")


def read_frame(path: Path, max_short_edge: int | None = None) -> np.ndarray:
    """An image file as ``(H, W, 3)`` uint8 RGB.

    With ``max_short_edge``, JPEGs are decoded at half, a quarter or an eighth of their size as
    long as the short edge stays at least that long, which is several times faster.
    Raises `InputError` naming a file that cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; 3dcseg data check finds all such") from None
    image = _decode(data, max_short_edge) if data else None
    if image is None:
        raise InputError(f"{path}: not a readable image; replace the file or leave it out")
    return image


_REDUCED = {
    1: cv2.IMREAD_COLOR_RGB,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2 | cv2.IMREAD_COLOR_RGB,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4 | cv2.IMREAD_COLOR_RGB,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_COLOR_RGB,
}


def _decode(data: bytes, max_short_edge: int | None) -> np.ndarray | None:
    factor = 1
    if data[:2] == b"\xff\xd8":
        short_edge, scan = _jpeg_header(data)
        # Some versions of OpenCV decode a JPEG that was cut short, half gray, and say nothing.
        if data.rfind(b"\xff\xd9", scan) < 0:
            return None
        if max_short_edge is not None:
            factor = next((f for f in (8, 4, 2) if short_edge // f >= max_short_edge), 1)
    image: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED[factor])
    return image


def _jpeg_header(data: bytes) -> tuple[int, int]:
    """The short edge in pixels, 0 if not said, and where the header ends and the image begins."""
    short_edge, position = 0, 2
    while position + 9 <= len(data) and data[position] == 0xFF and data[position + 1] != 0xDA:
        marker = data[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            height, width = data[position + 5 : position + 7], data[position + 7 : position + 9]
            short_edge = min(int.from_bytes(height, "big"), int.from_bytes(width, "big"))
        if marker == 0xFF:  # a fill byte
            position += 1
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return short_edge, position


def is_reduced(shape: tuple[int, ...], full: tuple[int, ...]) -> bool:
    """Whether `read_frame` may give a frame of size ``full`` (H, W) as one of size ``shape``."""
    return any(
        all(-(-b // factor) == a for a, b in zip(shape[:2], full[:2], strict=True))
        for factor in (1, 2, 4, 8)
    )


def read_mask(mask: Mask) -> np.ndarray:
    """A mask as ``(H, W)`` uint8 {0, 255}, and `VOID` where an `Annotation` has void pixels.

    In a file, everything but 0 is foreground.
    """
    if not isinstance(mask, Path):
        return mask.read()
    return foreground(read_labels(mask) != 0)


def foreground(here: np.ndarray) -> np.ndarray:
    """A boolean mask as uint8 {0, 255}."""
    return np.multiply(here, 255, dtype=np.uint8)


def read_labels(path: Path) -> np.ndarray:
    """A file of labels as integers ``(H, W)``: gray values, palette indices or 24-bit colours.

    Reads Pillow's modes 1, L, LA, P, PA, I;16, I, RGB and RGBA; alpha is dropped. JPEG, which
    blurs labels, can only be binary and is cut at one half. Pillow, since OpenCV knows a palette's
    colours but not its indices and is no faster.
    Raises `InputError` naming a file that cannot be read.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.mode in {"CMYK", "YCbCr", "LAB", "HSV"}:
                values = np.asarray(image.convert("RGB"))
            else:
                values = np.asarray(image)
            has_alpha, is_jpeg = image.mode in {"LA", "PA", "RGBA"}, image.format == "JPEG"
    except FileNotFoundError:
        raise InputError(f"{path}: no such mask; 3dcseg data check finds all such") from None
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow's decoders raise
        raise InputError(
            f"{path}: not a readable mask; replace the file or leave it out"
        ) from error
    if values.ndim == 3:
        values = values[..., : values.shape[2] - has_alpha]
        weights = np.array([1 << 16, 1 << 8, 1], np.int32)
        values = values[..., 0] if values.shape[2] == 1 else values @ weights
    return values > 127 if is_jpeg else values


@dataclass(frozen=True)
class LabelFile:
    """A mask file of objects: all but ``background`` is foreground, ``void`` is left open.

    Both are values as `read_labels` gives them.
    """

    path: Path
    background: int = 0
    void: int | None = None

    def read(self) -> np.ndarray:
        labels = read_labels(self.path)
        mask = foreground(labels != self.background)
        if self.void is not None:
            mask[labels == self.void] = VOID
        return mask

    def __str__(self) -> str:
        return str(self.path)
