"""Still images with masks: `ROOT/images/*`, `ROOT/masks/*`, or folders of such folders."""

from pathlib import Path

from threedcseg.datasets.sequence import IMAGE_SUFFIXES, Sequence, list_folders
from threedcseg.errors import InputError


def still_images(root: str | Path, split: str = "all") -> list[Sequence]:
    """Every image with a mask of the same stem, each a sequence of one frame; there are no splits.

    ``root`` holds ``images/`` and ``masks/`` itself, or sub-folders that do. Images without a mask
    are left out; raises `InputError` if no pair is found.
    """
    root = Path(root)
    if split != "all":
        raise InputError(f"split {split!r}: stills have no splits; choose all")
    sequences = []
    for part in _parts(root):
        masks = {path.stem: path for path in (part / "masks").glob("[!.]*")}
        for image in sorted((part / "images").glob("[!.]*")):
            if image.suffix.lower() in IMAGE_SUFFIXES and image.stem in masks:
                name = f"{part.name}/{image.stem}"
                sequences.append(Sequence(name, (image,), (masks[image.stem],)))
    if not sequences:
        raise InputError(
            f"{root}: no images/ and masks/ with files of the same name; check the path"
        )
    return sequences


def still_images_splits(root: Path) -> list[str]:
    """``["all"]`` if ``root`` is laid out as stills."""
    return ["all"] if _parts(root) else []


def _parts(root: Path) -> list[Path]:
    return [
        part
        for part in (root, *list_folders(root))
        if (part / "images").is_dir() and (part / "masks").is_dir()
    ]
