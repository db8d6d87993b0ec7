"""FBMS-59: `Trainingset/SEQ/*.jpg`, `Trainingset/SEQ/GroundTruth/*`, and `Testset` likewise.

Ground truth exists for about every 20th frame, 720 in all, in files whose last number is the
frame's: `bear01_0001_gt.ppm` and, in the 12 sequences that came from Hopkins-155, `cars1_01.pgm`
or `tennis001.pgm`. Converted copies have `001_gt.png`. Each object has a colour of its own and all
of them are foreground. The background is white in `.ppm` and black in `.pgm` and `.png`; for the
first two, `GroundTruth/SEQDef.dat` names it as the scale of region 0. `*_PROB_gt.ppm` are no masks.
"""

import re
from pathlib import Path

from threedcseg.datasets.kinds import register_kind
from threedcseg.datasets.masks import LabelFile, Mask
from threedcseg.datasets.sequence import Sequence, last_number, list_folders, list_frames, pair
from threedcseg.errors import InputError
from threedcseg.reading import read_bounded
from threedcseg.video.paths import list_images

FOLDERS = {"train": "Trainingset", "test": "Testset"}

# fmt: off
PUBLISHED = {
    "train": (
        "bear01", "bear02", "cars2", "cars3", "cars6", "cars7", "cars8", "cars9", "cats02",
        "cats04", "cats05", "cats07", "ducks01", "horses01", "horses03", "horses06", "lion02",
        "marple1", "marple10", "marple11", "marple13", "marple3", "marple5", "marple8",
        "meerkats01", "people04", "people05", "rabbits01", "rabbits05",
    ),
    "test": (
        "camel01", "cars1", "cars10", "cars4", "cars5", "cats01", "cats03", "cats06", "dogs01",
        "dogs02", "farm01", "giraffes01", "goats01", "horses02", "horses04", "horses05", "lion01",
        "marple12", "marple2", "marple4", "marple6", "marple7", "marple9", "people03", "people1",
        "people2", "rabbits02", "rabbits03", "rabbits04", "tennis",
    ),
}
# fmt: on

WHITE = 0xFFFFFF
_PREFERENCE = (".ppm", ".pgm", ".png")


def fbms_splits(root: Path) -> list[str]:
    """The splits that ``root`` holds if it is laid out as FBMS-59."""
    return [split for split, folder in FOLDERS.items() if (root / folder).is_dir()]


@register_kind(
    "fbms",
    "FBMS-59",
    fbms_splits,
    "Trainingset/SEQ, Trainingset/SEQ/GroundTruth, Testset likewise",
    sparse=True,
    published=PUBLISHED,
    address="https://lmb.informatik.uni-freiburg.de/resources/datasets",
)
def fbms(root: str | Path, split: str = "test") -> list[Sequence]:
    """The sequences of ``Trainingset`` (``split`` "train") or ``Testset`` ("test").

    Raises `InputError` for another split, and where the folder is missing or empty.
    """
    if split not in FOLDERS:
        raise InputError(f"split {split!r} of FBMS-59 is unknown", "choose train or test")
    folder = Path(root) / FOLDERS[split]
    sequences = [_sequence(child) for child in list_folders(folder) if list_images(child)]
    if not sequences:
        raise InputError(f"{folder}: no folders of frames", f"is {root} the root of FBMS-59?")
    return sequences


def _sequence(folder: Path) -> Sequence:
    masks: dict[int | None, Mask] = {}
    truth = folder / "GroundTruth"
    files = list_images(truth) if truth.is_dir() else []
    background = _background(truth)
    for suffix in _PREFERENCE:
        for path in files:
            number = last_number(path.stem)
            if path.suffix.lower() == suffix and number is not None and "PROB" not in path.stem:
                default = WHITE if suffix == ".ppm" else 0
                named = background if suffix != ".png" else None
                masks.setdefault(number, LabelFile(path, default if named is None else named))
    return pair(folder.name, list_frames(folder), masks, lambda path: last_number(path.stem))


def _background(truth: Path) -> int | None:
    """The colour or gray value of region 0 in ``*Def.dat``, where there is one."""
    for path in sorted(truth.glob("*Def.dat")):
        found = re.search(r"Scale of region 0:\s*(\d{1,9})", read_bounded(path).decode("latin-1"))
        if found:
            return int(found[1])
    return None
