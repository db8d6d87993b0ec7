"""Maps and ground truth in files, as arrays that the scorers take. Files are only ever read."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from threedcseg.datasets.masks import Mask, read_labels
from threedcseg.errors import InputError
from threedcseg.evaluation.protocols import Foreground
from threedcseg.evaluation.scorer import Readable
from threedcseg.reading import read_bounded
from threedcseg.video.size import open_image

MAX_ARRAY = 2 << 30  # bytes

ReadAs = Literal["auto", "probabilities", "labels"]
"""What gray values mean: shares of the largest value, or labels of which all but 0 is object.
"auto" takes gray for probabilities, palettes and single bits for labels."""

HALF = 128
"""The saliency kit's ground truth is foreground above this value of 255."""

WHITE = 0xFFFFFF


@dataclass(frozen=True)
class MapFile:
    """A prediction: a mask or a probability map."""

    path: Path
    read_as: ReadAs = "auto"

    def read(self) -> np.ndarray:
        """``(H, W)`` bool, uint8, uint16 or floats; raises `InputError` naming the file."""
        values = read_values(self.path)
        return values != 0 if self.read_as == "labels" else values


@dataclass(frozen=True)
class ObjectFile:
    """A prediction or ground truth of numbered objects."""

    path: Path

    def read(self) -> np.ndarray:
        """``(H, W)`` integers; raises `InputError` naming the file."""
        if self.path.suffix.lower() == ".npy":
            return _read_npy(self.path)
        return read_labels(self.path)


@dataclass(frozen=True)
class TruthFile:
    """The foreground of a ground-truth file: all but 0, or what is above half the range.

    In a ``.ppm`` the background may be white, as in FBMS-59.
    """

    path: Path
    above_half: bool = False

    def read(self) -> np.ndarray:
        """``(H, W)`` bool; raises `InputError` naming the file."""
        if self.above_half:
            return self._above_half()
        labels = read_labels(self.path)
        if self.path.suffix.lower() == ".ppm" and (labels == WHITE).any():
            if (labels == 0).any():
                raise InputError(
                    f"{self.path}: both black and white, so the background is in doubt",
                    "give the root of FBMS-59, or convert it to PNG with a background of 0",
                )
            return labels != WHITE
        return labels != 0

    def _above_half(self) -> np.ndarray:
        values = read_values(self.path)
        if values.dtype == np.bool_:
            return values
        scale = np.iinfo(values.dtype).max // 255 if values.dtype.kind == "u" else 1 / 255
        foreground = values > HALF * scale
        if values.any() and not foreground.any():
            raise InputError(
                f"{self.path}: ground truth with values up to {values.max()}, and this protocol "
                f"takes those above {HALF} for foreground",
                "convert it to 0 and 255",
            )
        return foreground


def truth_of(mask: Mask, foreground: Foreground) -> Readable:
    """What reads the ground truth of a frame, given its file or a data set's annotation."""
    if foreground == "labels":
        path = mask if isinstance(mask, Path) else getattr(mask, "path", None)
        if path is None:
            raise InputError(
                f"{mask}: objects are merged in this data set", "give another protocol"
            )
        return ObjectFile(path)
    if not isinstance(mask, Path):
        return mask
    return TruthFile(mask, above_half=foreground == "half")


def read_values(path: Path) -> np.ndarray:
    """The gray values of an image or a NumPy file as they are; palettes and bits as a mask.

    Returns ``(H, W)`` bool for palettes of colours (all but index 0) and for single bits, uint8 for
    gray, also from a palette of grays, uint16 for 16 bits, floats from ``.npy`` and ``.tif``.
    Alpha is dropped; colour images are taken if they are gray.

    Raises:
        InputError: naming a file that cannot be read or is neither gray nor of labels.
    """
    if path.suffix.lower() == ".npy":
        return _read_npy(path)
    try:
        with open_image(path) as image:
            gray = image.mode in ("P", "PA") and _is_gray(image)
            mode = "L" if gray else image.mode
            values = np.asarray(image.convert("L") if gray else image)
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow's decoders raise
        reason = "no such file" if isinstance(error, FileNotFoundError) else "not a readable image"
        raise InputError(f"{path}: {reason}", "replace the file") from None
    if mode in ("PA", "LA"):
        values = values[..., 0]
    if mode in ("P", "PA"):
        return values != 0
    if mode in ("1", "L", "LA", "F"):
        return values
    if mode.startswith("I"):  # 16 bits, in older Pillow within 32
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"{path}: 32 bits a pixel, expected 8 or 16", "save it as 16-bit PNG")
        return values.astype(np.uint16)
    if mode in ("RGB", "RGBA") and (values[..., :1] == values[..., :3]).all():
        return values[..., 0]
    raise InputError(
        f"{path}: a colour image ({mode}), expected gray or a palette", "save masks as 0 and 255"
    )


def _is_gray(image: Image.Image) -> bool:
    """Whether the colours of a palette image that are in use are all gray, and not only black."""
    palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    used = palette[np.unique(np.asarray(image.getchannel(0) if image.mode == "PA" else image))]
    return bool((used == used[:, :1]).all() and used.any())


def _read_npy(path: Path) -> np.ndarray:
    try:
        values = np.load(io.BytesIO(read_bounded(path, MAX_ARRAY)), allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", "replace the file") from None
    except InputError:
        raise
    except Exception:  # its header is a text of Python's, which can fail in many ways
        raise InputError(f"{path}: not an array of numbers", "save it with numpy.save") from None
    if not isinstance(values, np.ndarray):  # an .npz by that name
        raise InputError(f"{path}: several arrays in one file, expected .npy", "save one a frame")
    if values.dtype.kind not in "biuf":
        raise InputError(f"{path}: an array of {values.dtype}, expected numbers", "save those")
    return values
