"""DAVIS: `JPEGImages/RESOLUTION/SEQ/*.jpg`, `Annotations/RESOLUTION/SEQ/*.png`, `ImageSets/`.

Three ground truths go by the name of DAVIS, and figures against one say little about another:

- DAVIS 2016: one mask {0, 255} a frame, of the object that stands out; lists in
  ``ImageSets/480p`` name a frame and its mask a line. The paper's.
- DAVIS 2017: numbered objects, chosen for the semi-supervised task; lists in ``ImageSets/2017``
  (and ``ImageSets/2016`` for the older split). Here all objects are merged into the foreground.
- DAVIS 2019 unsupervised: the videos of 2017 annotated anew with all objects that draw the eye, in
  ``Annotations_unsupervised``.

In the masks of 2017 and 2019 palette index 255 is void.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from threedcseg.datasets.kinds import Reader, register_kind
from threedcseg.datasets.masks import LabelFile, Mask
from threedcseg.datasets.sequence import Sequence, list_folders, list_frames, listed, pair
from threedcseg.errors import InputError, some

VOID_LABEL = 255
LISTS_2016 = {
    # Of the validation set, those that were used while the network that ships was made
    "dev": ("blackswan", "breakdance", "car-roundabout", "dog", "horsejump-high", "libby"),
    "val": (
        *("blackswan", "bmx-trees", "breakdance", "camel", "car-roundabout", "car-shadow", "cows"),
        *("dance-twirl", "dog", "drift-chicane", "drift-straight", "goat", "horsejump-high"),
        *("kite-surf", "libby", "motocross-jump", "paragliding-launch", "parkour"),
        *("scooter-black", "soapbox"),
    ),
}
"""Known by name where no list of that name lies there."""


@dataclass(frozen=True)
class Davis:
    """One of the three: the folder of its masks, those of its lists, which label is void, and the
    lists that are known by name."""

    annotations: str
    lists: tuple[str, ...]
    void: int | None = None
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def read(
        self, root: str | Path, split: str = "train", resolution: str = "480p"
    ) -> list[Sequence]:
        """The sequences that the list of ``split`` names, all objects merged.

        A list names one sequence or, as in 2016, one ``/JPEGImages/.. /Annotations/..`` pair a
        line; ``2016/val`` is the list of that name in ``ImageSets/2016``. Of DAVIS 2016, ``dev``
        and ``val`` are known without a list. Raises `InputError`
        where a folder or a list is missing or empty.
        """
        root = Path(root)
        folder = root / "JPEGImages" / resolution
        names = self._names(root, split, resolution)
        frames = {name: list_frames(folder / name) for name in names}
        missing = [name for name in names if not frames[name]]
        if missing:
            raise InputError(
                f"{folder}: no frames of {len(missing)} of the {len(names)} sequences that the "
                f"split {split!r} lists ({some(missing)})",
                "complete the download or choose another resolution",
            )
        return [
            pair(name, frames[name], self._masks(root, resolution, name), lambda frame: frame.stem)
            for name in names
        ]

    def splits(self, root: Path) -> list[str]:
        """The splits that ``root`` lists, none if it is laid out otherwise."""
        if not (root / self.annotations).is_dir():
            return []
        folders = list_folders(root / "JPEGImages")
        lists = {place for folder in folders for place in self._lists(root, folder.name)}
        there = {
            split
            for split, names in self.known.items()
            if any(all((folder / name).is_dir() for name in names) for folder in folders)
        }
        return sorted({path.stem for place in lists for path in place.glob("*.txt")} | there)

    def resolutions(self, root: Path, split: str) -> list[str]:
        """The folders of ``JPEGImages`` that hold something of a split: ``480p``, ``1080p``, .."""
        found = []
        for folder in list_folders(root / "JPEGImages"):
            try:
                names = self._names(root, split, folder.name)
            except InputError:
                continue
            if any((folder / name).is_dir() for name in names):
                found.append(folder.name)
        return found

    def _masks(self, root: Path, resolution: str, name: str) -> dict[str, Mask]:
        files = list_frames(root / self.annotations / resolution / name)
        if self.void is None:
            return {path.stem: path for path in files}
        return {path.stem: LabelFile(path, void=self.void) for path in files}

    def _lists(self, root: Path, resolution: str) -> list[Path]:
        return [root / "ImageSets" / name.format(resolution=resolution) for name in self.lists]

    def _names(self, root: Path, split: str, resolution: str) -> list[str]:
        places = self._lists(root, resolution) + [root / "ImageSets"] * ("/" in split)
        candidates = [place / f"{split}.txt" for place in places]
        found = next((path for path in candidates if path.is_file()), None)
        frames = root / "JPEGImages" / resolution
        if found is None and any((frames / name).is_dir() for name in self.known.get(split, ())):
            return list(self.known[split])
        if found is None:
            raise InputError(
                f"{candidates[0]}: no such list ({root} has "
                f"{', '.join(self.splits(root)) or 'none'})",
                "give the root of this DAVIS and one of its splits",
            )
        names = listed(found)
        if not names:
            raise InputError(f"{found}: the split is empty", "name one sequence a line")
        return names


def _register(name: str, title: str, davis: Davis, lists: str) -> Reader:
    def variants(root: Path, split: str) -> list[dict[str, Any]]:
        return [{"resolution": found} for found in davis.resolutions(root, split)]

    layout = f"JPEGImages/480p/SEQ, {davis.annotations}/480p/SEQ, ImageSets/{lists}/train.txt"
    return register_kind(
        name,
        title,
        davis.splits,
        layout,
        variants=variants,
        published=davis.known,
        address="https://davischallenge.org",
    )(davis.read)


davis16 = _register(
    "davis16", "DAVIS 2016", Davis("Annotations", ("", "{resolution}"), known=LISTS_2016), "480p"
)
davis17 = _register(
    "davis17", "DAVIS 2017 merged", Davis("Annotations", ("2017",), VOID_LABEL), "2017"
)
davis17_unsupervised = _register(
    "davis17-unsupervised",
    "DAVIS 2019 unsupervised",
    Davis("Annotations_unsupervised", ("2017", "2019"), VOID_LABEL),
    "2017",
)
