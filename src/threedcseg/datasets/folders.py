"""A data set of one's own: `ROOT/SEQ/frames/*`, `ROOT/SEQ/masks/*`, and lists `ROOT/SPLIT.txt`."""

from pathlib import Path

from threedcseg.datasets.kinds import register_kind
from threedcseg.datasets.masks import Mask
from threedcseg.datasets.sequence import Sequence, list_folders, list_frames, pair
from threedcseg.errors import InputError
from threedcseg.reading import read_text


def video_folders_splits(root: Path) -> list[str]:
    """``all`` and the lists that ``root`` holds, if it has a ``SEQ/frames``."""
    if not any((folder / "frames").is_dir() for folder in list_folders(root)):
        return []
    return ["all", *sorted(path.stem for path in root.glob("*.txt"))]


@register_kind(
    "folder",
    "video folders",
    video_folders_splits,
    "SEQ/frames, SEQ/masks, and lists such as train.txt",
    sparse=True,
    own=True,
)
def video_folders(root: str | Path, split: str = "all") -> list[Sequence]:
    """Every ``SEQ`` below ``root``, or those that ``ROOT/SPLIT.txt`` names, one a line.

    A mask belongs to the frame of the same name, whatever the extension; any frame may lack one.
    Raises `InputError` where the list, a sequence or its frames are missing.
    """
    root = Path(root)
    names = _names(root, split)
    sequences = []
    for name in names:
        frames = list_frames(root / name / "frames")
        if not frames:
            raise InputError(
                f"{root / name / 'frames'}: no frames",
                f"put those of sequence {name!r} there, or take it out of the split {split!r}",
            )
        masks: dict[str, Mask] = {path.stem: path for path in list_frames(root / name / "masks")}
        sequences.append(pair(name, frames, masks, lambda frame: frame.stem))
    return sequences


def _names(root: Path, split: str) -> list[str]:
    if split == "all":
        names = [child.name for child in list_folders(root) if (child / "frames").is_dir()]
        if not names:
            raise InputError(f"{root}: no SEQ/frames below it", "see docs/data.md for the layout")
        return names
    listing = root / f"{split}.txt"
    if not listing.is_file():
        raise InputError(
            f"{listing}: no such list",
            "write the names of the split's sequences into it, one a line, or choose the split "
            "'all'",
        )
    names = read_text(listing).split("\n")
    names = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not names:
        raise InputError(f"{listing}: the split is empty", "name one sequence a line")
    return names
