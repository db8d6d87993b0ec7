"""YouTube-VOS: `SPLIT/JPEGImages/ID/00000.jpg, 00005.jpg ..`, `SPLIT/Annotations/ID/*.png`.

Masks are palette images of numbered objects, all of which are foreground; `SPLIT/meta.json` lists
the videos. Frames and masks come at every fifth frame of the video and keep its numbers. The
`train_all_frames` package has the frames between too, and takes its masks from `train`.
"""

from pathlib import Path

from threedcseg.datasets.kinds import register_kind
from threedcseg.datasets.masks import Mask
from threedcseg.datasets.sequence import Sequence, list_folders, list_frames, pair
from threedcseg.errors import InputError, some
from threedcseg.reading import read_json

MAX_META = 512 << 20  # bytes


def youtube_vos_splits(root: Path) -> list[str]:
    """The splits that ``root`` holds if it is laid out as YouTube-VOS."""
    return [
        folder.name
        for folder in list_folders(root)
        if (folder / "JPEGImages").is_dir() and not (folder / "ImageSets").is_dir()  # DAVIS has
    ]


@register_kind(
    "youtube-vos",
    "YouTube-VOS",
    youtube_vos_splits,
    "train/JPEGImages/ID, train/Annotations/ID, train/meta.json",
    address="https://youtube-vos.org",
)
def youtube_vos(
    root: str | Path, split: str = "train", annotations: str = "Annotations"
) -> list[Sequence]:
    """The videos of ``root/SPLIT``, those of its ``meta.json`` if there is one.

    Raises `InputError` where the folder, or a video's frames, are missing.
    """
    folder = Path(root) / split
    if not (folder / "JPEGImages").is_dir():
        raise InputError(
            f"{folder / 'JPEGImages'}: no such folder",
            f"expected {split}/JPEGImages/ID below the root of YouTube-VOS",
        )
    names = _names(folder)
    frames = {name: list_frames(folder / "JPEGImages" / name) for name in names}
    missing = [name for name in names if not frames[name]]
    if not names:
        raise InputError(f"{folder}: the split is empty", "complete the download")
    if missing:
        raise InputError(
            f"{folder / 'JPEGImages'}: no frames of {len(missing)} of the {len(names)} videos "
            f"listed ({some(missing)})",
            "complete the download",
        )
    truth = folder / annotations
    if not truth.is_dir():
        truth = Path(root) / split.removesuffix("_all_frames") / annotations
    sequences = []
    for name in names:
        masks: dict[str, Mask] = {path.stem: path for path in list_frames(truth / name)}
        sequences.append(pair(name, frames[name], masks, lambda frame: frame.stem))
    return sequences


def _names(folder: Path) -> list[str]:
    meta = folder / "meta.json"
    if not meta.is_file():
        return [child.name for child in list_folders(folder / "JPEGImages")]
    try:
        return sorted(read_json(meta, MAX_META)["videos"])
    except (ValueError, KeyError, TypeError):  # also `InputError`
        raise InputError(
            f"{meta}: not the meta.json of YouTube-VOS, which has videos", "replace or remove it"
        ) from None
