"""Ground truth of a frame: a file, or anything else that can be read as a mask."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from threedcseg.errors import InputError

VOID = 127
"""The value, in masks {0, 255}, of pixels that the ground truth leaves open: losses ignore them.

Below one half, so that code that knows no void pixels takes them for background, as the DAVIS 2017
evaluation does.
"""


class Annotation(Protocol):
    """The ground truth of a frame that is more than a file in which all but 0 is foreground."""

    def read(self) -> np.ndarray:
        """``(H, W)`` uint8 {0, VOID, 255}; raises `InputError` where it cannot be read."""
        ...


Mask = Path | Annotation


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
    from threedcseg.video.size import open_image

    try:
        with open_image(path) as image:
            if image.mode in {"CMYK", "YCbCr", "LAB", "HSV"}:
                values = np.asarray(image.convert("RGB"))
            else:
                values = np.asarray(image)
            has_alpha, is_jpeg = image.mode in {"LA", "PA", "RGBA"}, image.format == "JPEG"
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such mask", "3dcseg data check finds all such") from None
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow's decoders raise
        raise InputError(
            f"{path}: not a readable mask", "replace the file or leave it out"
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
