"""Every kind of data set by name: how to open it, and how to recognise it on a disk."""

import difflib
import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import threedcseg.datasets
from threedcseg.datasets.kinds import KINDS, Kind
from threedcseg.datasets.sequence import Sequence
from threedcseg.errors import InputError


@dataclass(frozen=True)
class Dataset:
    """A split of a data set, read from a disk.

    ``ground_truth`` goes with every figure: for DAVIS it says which of the three is meant ("DAVIS
    2016", "DAVIS 2017 merged", "DAVIS 2019 unsupervised"), for folders of one's own the folder.
    ``stills``: each sequence is one image.
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
    known = find_kind(kind)
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder", f"give the root of {known.title}")
    parameters = inspect.signature(known.read).parameters
    for option in options:
        if option not in parameters or option in {"root", "split"}:
            others = [name for name in parameters if name not in {"root", "split"}]
            raise InputError(
                f"{kind} has no option {option!r}", f"it has {', '.join(others) or 'none'}"
            )
    split = parameters["split"].default if split is None else split
    sequences = known.read(root, split, **options)
    truth = root.resolve().name if known.own else known.title
    return Dataset(kind, known.title, split, truth, sequences, known.stills)


def find_kind(name: str) -> Kind:
    """The kind of that name; raises `InputError` with the nearest one."""
    if name not in KINDS:
        near = difflib.get_close_matches(name, KINDS, n=1, cutoff=0)
        raise InputError(
            f"unknown kind of data set {name!r}",
            f"did you mean {near[0]!r}? There are {', '.join(sorted(KINDS))}",
        )
    return KINDS[name]


def detect(root: str | Path) -> list[str]:
    """The kinds that a folder is laid out as: DAVIS 2017 may hold two, a strange folder none."""
    return [name for name, kind in sorted(KINDS.items()) if kind.splits(Path(root))]


# Last, so that modules which import this one find it whole.
for _module in pkgutil.iter_modules(threedcseg.datasets.__path__, "threedcseg.datasets."):
    importlib.import_module(_module.name)
