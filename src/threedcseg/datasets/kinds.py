"""What a layout of data sets says of itself, in the module that reads it.

`registry` imports every module of this package, so a data set is one file here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from threedcseg.datasets.sequence import Sequence

Reader = Callable[..., list[Sequence]]
"""``(root, split="train", **options)`` to the sequences of a split, in order."""


@dataclass(frozen=True)
class Kind:
    """A layout in which data sets are published.

    ``title`` is its name beside figures. ``splits(root)`` are the splits that a folder holds, none
    if it is laid out otherwise; ``layout`` says in words what should lie there;
    ``variants(root, split)`` are the options with which something of a split can be read.
    ``stills``: sequences of one frame. ``sparse``: masks for some frames only, as published.
    ``own``: for data of one's own, whose ground truth is called by its folder. ``published``: the
    sequences that belong to each split. ``address``: where it is to be had.
    """

    title: str
    read: Reader
    splits: Callable[[Path], list[str]]
    layout: str
    variants: Callable[[Path, str], list[dict[str, Any]]] = lambda root, split: [{}]
    stills: bool = False
    sparse: bool = False
    own: bool = False
    published: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    address: str = ""


KINDS: dict[str, Kind] = {}
"""By the name that ``--kind`` and recipes know it by."""


def register_kind(
    name: str, title: str, splits: Callable[[Path], list[str]], layout: str, **rest: Any
) -> Callable[[Reader], Reader]:
    """Decorator that enters a reader; what it is given are the fields of `Kind`."""

    def enter(read: Reader) -> Reader:
        if name in KINDS:
            raise ValueError(f"two kinds of data set are called {name!r}")
        KINDS[name] = Kind(title, read, splits, layout, **rest)
        return read

    return enter
