"""Every kind of data set by name: how to read it, and how to recognise it on a disk."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from threedcseg.datasets import fbms, visal
from threedcseg.datasets.coco import coco_instances, coco_splits
from threedcseg.datasets.davis import DAVIS16, DAVIS17, DAVIS17_UNSUPERVISED, Davis
from threedcseg.datasets.folders import video_folders, video_folders_splits
from threedcseg.datasets.images import still_images, still_images_splits
from threedcseg.datasets.sequence import Sequence
from threedcseg.datasets.youtube_vos import youtube_vos, youtube_vos_splits
from threedcseg.errors import InputError


@dataclass(frozen=True)
class Kind:
    """A published layout.

    ``read(root, split, **options)`` gives the sequences; ``splits(root)`` the splits that a folder
    holds, none if it is laid out otherwise; ``variants(root, split)`` the options with which
    something of a split can be read. ``stills``: sequences of one frame. ``sparse``: masks for some
    frames only, as published. ``published``: the sequences that belong to each split.
    """

    title: str
    read: Callable[..., list[Sequence]]
    splits: Callable[[Path], list[str]]
    layout: str
    variants: Callable[[Path, str], list[dict[str, Any]]] = lambda root, split: [{}]
    stills: bool = False
    sparse: bool = False
    published: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _davis(title: str, davis: Davis, lists: str) -> Kind:
    def variants(root: Path, split: str) -> list[dict[str, Any]]:
        return [{"resolution": name} for name in davis.resolutions(root, split)]

    layout = f"JPEGImages/480p/SEQ, {davis.annotations}/480p/SEQ, ImageSets/{lists}/train.txt"
    return Kind(title, davis.read, davis.splits, layout, variants)


KINDS: dict[str, Kind] = {
    "davis16": _davis("DAVIS 2016", DAVIS16, "480p"),
    "davis17": _davis("DAVIS 2017 merged", DAVIS17, "2017"),
    "davis17-unsupervised": _davis("DAVIS 2019 unsupervised", DAVIS17_UNSUPERVISED, "2017"),
    "fbms": Kind(
        "FBMS-59",
        fbms.fbms,
        fbms.fbms_splits,
        "Trainingset/SEQ, Trainingset/SEQ/GroundTruth, Testset likewise",
        sparse=True,
        published=fbms.PUBLISHED,
    ),
    "visal": Kind(
        "ViSal",
        visal.visal,
        visal.visal_splits,
        "ViSal/SEQ, GroundTruth",
        sparse=True,
        published={"all": visal.PUBLISHED},
    ),
    "youtube-vos": Kind(
        "YouTube-VOS",
        youtube_vos,
        youtube_vos_splits,
        "train/JPEGImages/ID, train/Annotations/ID, train/meta.json",
    ),
    "coco": Kind(
        "COCO instances",
        coco_instances,
        coco_splits,
        "annotations/instances_train2017.json, train2017",
        stills=True,
    ),
    "stills": Kind(
        "stills",
        still_images,
        still_images_splits,
        "images, masks (or folders of such)",
        stills=True,
    ),
    "folder": Kind(
        "video folders",
        video_folders,
        video_folders_splits,
        "SEQ/frames, SEQ/masks, and lists such as train.txt",
        sparse=True,
    ),
}


@dataclass(frozen=True)
class Dataset:
    """A split of a data set, read from a disk.

    ``ground_truth`` goes with every figure: for DAVIS it says which of the three is meant ("DAVIS
    2016", "DAVIS 2017 merged", "DAVIS 2019 unsupervised"), for folders of one's own the folder.
    ``stills``: each sequence is one image, for `SyntheticClips` rather than `VideoClips`.
    """

    kind: str
    name: str
    split: str
    ground_truth: str
    sequences: list[Sequence]
    stills: bool


def open_dataset(kind: str, root: str | Path, split: str | None = None, **options: Any) -> Dataset:
    """Read a data set of a known ``kind`` (a key of `KINDS`).

    ``split`` is by default that of the kind's reader: "train", or "all" where there are none.
    ``options`` are the reader's, such as ``resolution`` for DAVIS or ``min_box`` for COCO. Nothing
    but names and lists is read here; frames and masks are decoded when they are needed.
    Raises `InputError` for an unknown kind or option, and for a data root that is not as it should
    be.
    """
    record = find_kind(kind)
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the root of {record.title}")
    parameters = inspect.signature(record.read).parameters
    for option in options:
        if option not in parameters or option in {"root", "split"}:
            known = [name for name in parameters if name not in {"root", "split"}]
            raise InputError(
                f"{kind} has no option {option!r}; it has {', '.join(known) or 'none'}"
            )
    split = parameters["split"].default if split is None else split
    sequences = record.read(root, split, **options)
    own = kind in {"stills", "folder"}
    truth = root.resolve().name if own else record.title
    return Dataset(kind, record.title, split, truth, sequences, record.stills)


def find_kind(name: str) -> Kind:
    """The kind of that name; raises `InputError` with the nearest one."""
    if name not in KINDS:
        near = difflib.get_close_matches(name, KINDS, n=1, cutoff=0)
        raise InputError(
            f"unknown kind of data set {name!r}; did you mean {near[0]!r}? There are "
            f"{', '.join(KINDS)}"
        )
    return KINDS[name]


def detect(root: str | Path) -> list[str]:
    """The kinds that a folder is laid out as: DAVIS 2017 may hold two, a strange folder none."""
    return [name for name, kind in KINDS.items() if kind.splits(Path(root))]
