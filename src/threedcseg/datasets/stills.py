"""Still images with masks: `ROOT/images/*`, `ROOT/masks/*`, or folders of such folders."""

from pathlib import Path

from threedcseg.datasets.kinds import register_kind
from threedcseg.datasets.sequence import Sequence, list_folders
from threedcseg.errors import InputError
from threedcseg.video.kinds import kind_of


def _parts(root: Path) -> list[Path]:
    return [
        part
        for part in (root, *list_folders(root))
        if (part / "images").is_dir() and (part / "masks").is_dir()
    ]


def still_images_splits(root: Path) -> list[str]:
    """``["all"]`` if ``root`` is laid out as stills."""
    return ["all"] if _parts(root) else []


@register_kind(
    "stills",
    "stills",
    still_images_splits,
    "images, masks (or folders of such)",
    stills=True,
    own=True,
)
def still_images(root: str | Path, split: str = "all") -> list[Sequence]:
    """Every image with a mask of the same stem, each a sequence of one frame; there are no splits.

    ``root`` holds ``images/`` and ``masks/`` itself, or sub-folders that do. Images without a mask
    are left out; raises `InputError` if no pair is found.
    """
    root = Path(root)
    if split != "all":
        raise InputError(f"split {split!r}: stills have no splits", "choose all")
    sequences = []
    for part in _parts(root):
        masks = {path.stem: path for path in (part / "masks").glob("[!.]*")}
        for image in sorted((part / "images").glob("[!.]*")):
            if image.stem in masks and kind_of(image) == "image":
                name = f"{part.name}/{image.stem}"
                sequences.append(Sequence(name, (image,), (masks[image.stem],)))
    if not sequences:
        raise InputError(
            f"{root}: no images/ and masks/ with files of the same name", "check the path"
        )
    return sequences
