"""ViSal: frames in `ViSal/SEQ/`, ground truth of some of them in `GroundTruth/`.

Extensions are mixed (.bmp, .jpg, .png). Masks lie all in one folder, named after their frame
(`boat_00001.png` beside `boat2_00001.png`, `gokart0001.bmp`), or in a folder of each sequence.
"""

import re
from functools import partial
from pathlib import Path

from threedcseg.datasets.kinds import register_kind
from threedcseg.datasets.masks import Mask
from threedcseg.datasets.sequence import Sequence, list_folders, list_frames, pair
from threedcseg.errors import InputError

# fmt: off
PUBLISHED = (
    "aeroplane", "bird", "boat", "boat2", "car", "cat", "cow4", "cow5", "gokart", "horse2",
    "horse3", "lion", "man", "motorbike2", "panda", "rider", "snow_leopards",
)
# fmt: on


def visal_splits(root: Path) -> list[str]:
    """``["all"]`` if ``root`` is laid out as ViSal."""
    return ["all"] if (root / "GroundTruth").is_dir() and _sequence_folders(root) else []


@register_kind(
    "visal",
    "ViSal",
    visal_splits,
    "ViSal/SEQ, GroundTruth",
    sparse=True,
    published={"all": PUBLISHED},
)
def visal(root: str | Path, split: str = "all") -> list[Sequence]:
    """All sequences; ViSal has no splits.

    Raises `InputError` where ``ViSal`` or ``GroundTruth`` is missing or empty.
    """
    root = Path(root)
    if split != "all":
        raise InputError(f"split {split!r}: ViSal has no splits", "choose all")
    if not (root / "GroundTruth").is_dir():
        raise InputError(f"{root / 'GroundTruth'}: no such folder", f"is {root} the root of ViSal?")
    frames = {folder.name: list_frames(folder) for folder in _sequence_folders(root)}
    if not frames:
        raise InputError(f"{root / 'ViSal'}: no folders of frames", f"is {root} the root of ViSal?")
    masks = _masks(root / "GroundTruth", frames)
    return [
        pair(name, paths, masks[name], partial(_number, name=name))
        for name, paths in frames.items()
    ]


def _sequence_folders(root: Path) -> list[Path]:
    inner = root / "ViSal"
    folders = list_folders(inner if inner.is_dir() else root)
    return [f for f in folders if f.name != "GroundTruth" and list_frames(f)]


def _masks(truth: Path, frames: dict[str, list[Path]]) -> dict[str, dict[str, Mask]]:
    """The masks of each sequence by frame number."""
    masks: dict[str, dict[str, Mask]] = {name: {} for name in frames}
    for name in frames:
        for path in list_frames(truth / name):
            masks[name][_number(path, name)] = path
    owners = {path.stem: name for name, paths in frames.items() for path in paths}
    for path in list_frames(truth):
        # `boat2_00001` begins with `boat` too: first whose frame has this very name, then the
        # longest name of a sequence that it begins with.
        prefixes = [name for name in frames if path.stem.startswith(name)]
        owner = owners.get(path.stem) or max(prefixes, key=len, default=None)
        if owner is not None:
            masks[owner].setdefault(_number(path, owner), path)
    return masks


def _number(path: Path, name: str) -> str:
    """The last number of a file's name behind the sequence's name, or the whole where it has none.

    >>> _number(Path("boat2_00017.bmp"), "boat2"), _number(Path("017.png"), "boat2")
    ('17', '17')
    """
    numbers = re.findall(r"\d+", path.stem.removeprefix(name))
    return str(int(numbers[-1])) if numbers else path.stem
