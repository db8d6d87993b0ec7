"""Still images with masks: `ROOT/images/*`, `ROOT/masks/*`, or folders of such folders."""

from pathlib import Path

from threedcseg.datasets.sequence import IMAGE_SUFFIXES, Sequence
from threedcseg.errors import InputError


def still_images(root: str | Path) -> list[Sequence]:
    """Every image with a mask of the same stem, each a sequence of one frame.

    ``root`` holds ``images/`` and ``masks/`` itself, or sub-folders that do. Images without a mask
    are left out; raises `InputError` if no pair is found.
    """
    root = Path(root)
    parts = [root] if (root / "images").is_dir() else sorted(root.glob("*/"))
    sequences = []
    for part in parts:
        masks = {path.stem: path for path in (part / "masks").glob("*")}
        for image in sorted((part / "images").glob("*")):
            if image.suffix.lower() in IMAGE_SUFFIXES and image.stem in masks:
                name = f"{part.name}/{image.stem}"
                sequences.append(Sequence(name, (image,), (masks[image.stem],)))
    if not sequences:
        raise InputError(
            f"{root}: no images/ and masks/ with files of the same name; check the path"
        )
    return sequences
