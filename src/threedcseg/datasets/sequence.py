"""What every data set is to the rest of the code: named sequences of frames and their masks."""

import re
from collections.abc import Callable, Hashable, Mapping
from collections.abc import Sequence as Items
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from threedcseg.datasets.masks import Mask
from threedcseg.reading import read_text
from threedcseg.video.paths import list_images


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
    name: str, frames: Items[Path], masks: Mapping[Key, Mask], key: Callable[[Path], Key]
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


def listed(path: Path) -> list[str]:
    """The sequences that a list names, each once: one a line, or, as in DAVIS 2016, one
    ``/JPEGImages/480p/SEQ/FRAME.jpg /Annotations/...`` a line. Raises as `read_text`."""
    words = [line.split()[0] for line in read_text(path).splitlines() if line.strip()]
    return list(dict.fromkeys(Path(word).parent.name if "/" in word else word for word in words))


def last_number(name: str) -> int | None:
    """The last number in a name: 1 of ``bear01_0001_gt``; None without digits."""
    numbers = re.findall(r"\d+", name)
    return int(numbers[-1]) if numbers else None


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
