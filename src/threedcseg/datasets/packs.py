"""Labelled pictures and videos decoded into memory: from packs, or from any published layout.

A pack is two files. ``NAME.json`` and ``NAME.bin`` hold stills, an entry each: name, group, height,
width, where its picture (WebP) begins, and the bytes of the picture and of its mask, which follows.
``NAME.vjson`` and ``NAME.vbin`` hold sequences: name, group, ``h``, ``w``, and where the ``video``
(H.264) and the ``masks`` lie, as [start, size] or null. Masks are bits in reading order, deflated.
"""

import io
import os
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import av
import cv2
import numpy as np

from threedcseg.datasets.masks import read_mask
from threedcseg.datasets.sequence import Sequence
from threedcseg.errors import InputError
from threedcseg.reading import read_json
from threedcseg.video.images import read_image
from threedcseg.video.opening import open_input

Entry = TypeVar("Entry")

MAX_INDEX = 512 << 20  # bytes
ENDINGS = ("json", "bin")  # of stills; of sequences with a v before


@dataclass(frozen=True)
class Footage:
    """The labelled frames of a sequence; a still is a sequence of one.

    ``pixels (N, H, W, 4)`` uint8: RGB, and the mask, foreground above 127. ``numbers (N,)``: of
    each frame in its source, whose other frames have no mask.
    """

    name: str
    group: str
    pixels: np.ndarray
    numbers: np.ndarray


def read_pack(path: str | Path) -> list[Footage]:
    """All that a pack holds and that is labelled; ``path`` is without its ending.

    Raises `InputError` where there is no such pack, or a part of it cannot be read.
    """
    path = Path(path)
    sequences = path.with_suffix(".vjson").is_file()
    index, data = (path.with_suffix(f".v{end}" if sequences else f".{end}") for end in ENDINGS)
    if not index.is_file():
        raise InputError(
            f"{path}: no pack of that name",
            f"give the path of {path.name}.json or {path.name}.vjson without its ending",
        )
    decode = _sequence if sequences else _still
    try:
        entries, blob = read_json(index, MAX_INDEX), data.read_bytes()
        if not isinstance(entries, list):
            raise InputError("not a list of entries")
    except (OSError, ValueError) as error:
        raise InputError(f"{index}: not a readable pack ({error})", "get the pack again") from error

    def decoded(numbered: tuple[int, Any]) -> Footage | None:
        number, entry = numbered
        try:
            return decode(entry, blob)
        except _DAMAGED as error:
            raise InputError(
                f"{data}: entry {number} cannot be read ({error})", "get the pack again"
            ) from error

    return [footage for footage in _at_once(decoded, enumerate(entries)) if footage is not None]


def read_footage(
    sequences: Iterable[Sequence], group: str, max_short_edge: int | None = None
) -> list[Footage]:
    """Sequences of any layout (`open_dataset`); void pixels are background.

    Their group is the folder in their name, if it has one, else ``group``.
    With ``max_short_edge``, frames are shrunk to it (by area). Raises `InputError` naming a file
    that cannot be read, or a mask of another size than its frame.
    """

    def decoded(sequence: Sequence) -> Footage | None:
        numbers = [number for number, mask in enumerate(sequence.masks) if mask is not None]
        if not numbers:
            return None
        pixels = [_pair(sequence, number, max_short_edge) for number in numbers]
        if len({frame.shape for frame in pixels}) > 1:
            raise InputError(
                f"sequence {sequence.name!r}: frames of several sizes", "make them alike"
            )
        kind = sequence.name.rpartition("/")[0] or group
        return Footage(sequence.name, kind, np.stack(pixels), np.array(numbers))

    return [footage for footage in _at_once(decoded, sequences) if footage is not None]


def _at_once(decoded: Callable[[Entry], Footage | None], items: Iterable[Entry]) -> list[Any]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # OpenCV, zlib and FFmpeg let others run
        return list(pool.map(decoded, items))


_DAMAGED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
    av.FFmpegError,
    cv2.error,
    zlib.error,
)


def _still(entry: list[Any], blob: bytes) -> Footage | None:
    name, group, height, width, start, size, mask_size = entry
    if not mask_size:
        return None
    image = cv2.imdecode(np.frombuffer(blob, np.uint8, size, start), cv2.IMREAD_COLOR_RGB)
    if image is None or image.shape != (height, width, 3):
        raise ValueError("not the picture that the index describes")
    pixels = np.empty((1, height, width, 4), np.uint8)
    pixels[0, ..., :3] = image
    pixels[0, ..., 3] = _mask(blob[start + size : start + size + mask_size], height, width)
    return Footage(name, group, pixels, np.zeros(1, int))


def _sequence(entry: dict[str, Any], blob: bytes) -> Footage | None:
    height, width, masks = entry["h"], entry["w"], entry["masks"]
    numbers = [number for number, place in enumerate(masks) if place]
    if not numbers:
        return None
    pixels = np.empty((len(numbers), height, width, 4), np.uint8)
    start, size = entry["video"]
    done = 0
    with open_input(io.BytesIO(blob[start : start + size])) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if done == len(numbers):
                break
            if number == numbers[done]:
                pixels[done, ..., :3] = frame.to_ndarray(format="rgb24")
                place, length = masks[number]
                pixels[done, ..., 3] = _mask(blob[place : place + length], height, width)
                done += 1
    if done < len(numbers):
        raise ValueError(f"the video of {entry['name']} has fewer frames than masks")
    return Footage(entry["name"], entry["group"], pixels, np.array(numbers))


def _mask(packed: bytes, height: int, width: int) -> np.ndarray:
    """``(height, width)`` uint8 {0, 255} out of deflated bits."""
    bits = np.unpackbits(np.frombuffer(zlib.decompress(packed), np.uint8), count=height * width)
    return bits.reshape(height, width) * np.uint8(255)


def _pair(sequence: Sequence, number: int, max_short_edge: int | None) -> np.ndarray:
    """A frame and its mask, ``(H, W, 4)`` uint8."""
    path, annotation = sequence.frames[number], sequence.masks[number]
    assert annotation is not None
    image, mask = read_image(path), read_mask(annotation)
    if mask.shape != image.shape[:2]:
        raise InputError(
            f"{annotation}: the mask is {mask.shape[1]}x{mask.shape[0]}, its frame {path.name} "
            f"{image.shape[1]}x{image.shape[0]}",
            "make them alike or leave the frame out",
        )
    pixels = np.dstack([image, mask])
    short = min(mask.shape)
    if max_short_edge is None or short <= max_short_edge:
        return pixels
    size = tuple(round(side * max_short_edge / short) for side in mask.shape[::-1])
    pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    pixels[..., 3] = np.where(pixels[..., 3] > 127, 255, 0)
    return pixels
