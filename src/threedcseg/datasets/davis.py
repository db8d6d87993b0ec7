"""DAVIS 2016: `JPEGImages/RESOLUTION/SEQ/*.jpg`, `Annotations/RESOLUTION/SEQ/*.png`."""

from pathlib import Path

from threedcseg.datasets.sequence import Sequence
from threedcseg.errors import InputError


def davis16(root: str | Path, split: str, resolution: str = "480p") -> list[Sequence]:
    """The sequences of ``ImageSets/SPLIT.txt`` (or ``ImageSets/RESOLUTION/SPLIT.txt``).

    A list file names one sequence or, as published, one ``/JPEGImages/.. /Annotations/..`` pair a
    line. Raises `InputError` where a folder or a list is missing or empty.
    """
    root = Path(root)
    names = _split_names(root, split, resolution)
    sequences = []
    for name in names:
        folder = root / "JPEGImages" / resolution / name
        frames = tuple(sorted(folder.glob("*.jpg")))
        if not frames:
            raise InputError(f"{folder}: no frames of sequence {name!r}; check the data root")
        masks = (root / "Annotations" / resolution / name / f"{f.stem}.png" for f in frames)
        sequences.append(
            Sequence(name, frames, tuple(mask if mask.exists() else None for mask in masks))
        )
    return sequences


def _split_names(root: Path, split: str, resolution: str) -> list[str]:
    candidates = [
        root / "ImageSets" / f"{split}.txt",
        root / "ImageSets" / resolution / f"{split}.txt",
    ]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise InputError(f"{candidates[0]}: no such list; is {root} the root of DAVIS 2016?")
    words = [line.split()[0] for line in found.read_text().splitlines() if line.strip()]
    names = [Path(word).parent.name if "/" in word else word for word in words]
    if not names:
        raise InputError(f"{found}: the split is empty; name one sequence a line")
    return list(dict.fromkeys(names))
