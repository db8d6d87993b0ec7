"""Folders of predictions and of ground truth to pairs of files, sequence by sequence."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from threedcseg.datasets.fbms import FOLDERS
from threedcseg.datasets.registry import KINDS, Dataset, detect, open_dataset
from threedcseg.datasets.sequence import last_number, list_folders, list_frames, listed
from threedcseg.errors import InputError, some
from threedcseg.evaluation.protocols import Foreground
from threedcseg.evaluation.reading import MapFile, ObjectFile, ReadAs, read_values, truth_of
from threedcseg.evaluation.scorer import Readable
from threedcseg.evaluation.scoring import Pair

PROBABILITIES = "probabilities"
"""The folder within a sequence's predictions that `3dcseg segment --probabilities` writes."""

_LARGEST_LABEL = 20  # gray values up to it may be labels, if there are no others


@dataclass(frozen=True)
class GroundTruth:
    """Ground truth by sequence and frame, both in order, and what it is called."""

    name: str
    sequences: Mapping[str, Mapping[str, Readable]]

    @property
    def num_frames(self) -> int:
        return sum(map(len, self.sequences.values()))

    def of(self, names: str | None) -> "GroundTruth":
        """Only the sequences that `sequence_names` finds in ``names``; all for None.

        Raises `InputError` for one that there is not.
        """
        if names is None:
            return self
        wanted = sequence_names(names)
        unknown = [name for name in wanted if name not in self.sequences]
        if unknown:
            raise InputError(f"no ground truth of {some(unknown)}; there is {some(self.sequences)}")
        return GroundTruth(self.name, {name: self.sequences[name] for name in wanted})


@dataclass(frozen=True)
class PredictionFolder:
    """The maps of one sequence by frame."""

    folder: Path
    maps: Mapping[str, Path]


def find_ground_truth(
    root: Path, foreground: Foreground, data: str | None = None, split: str | None = None
) -> GroundTruth:
    """The ground truth below ``root``.

    Args:
        root: a folder of masks (one sequence), a folder of such folders (DAVIS
            ``Annotations/480p``), or the root of a data set that `datasets` knows.
        foreground: how the protocol reads ground truth (`Protocol.foreground`).
        data: the kind of data set that belongs to the protocol, where it has one.
        split: of a data set.

    Raises:
        InputError: there is none, or the split must be named.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder of ground truth", "check the path")
    dataset = find_dataset(root, data, split)
    if dataset is not None:
        return truth_of_dataset(dataset, foreground)
    if split is not None:
        raise InputError(f"{root}: no data set with splits", "leave --split out, or give its root")
    files = list_frames(root)
    folders = [root] if files else [f for f in list_folders(root) if list_frames(f)]
    if not folders:
        raise InputError(f"{root}: no masks and no folders of masks", "check the path")
    sequences = {
        folder.resolve().name: {f.stem: truth_of(f, foreground) for f in list_frames(folder)}
        for folder in folders
    }
    return GroundTruth(_davis_name(root.resolve()) or root.resolve().name, sequences)


def find_dataset(root: Path, data: str | None = None, split: str | None = None) -> Dataset | None:
    """The data set of videos that ``root`` is, its annotated sequences; None if it is none.

    Of several kinds that it may be, ``data``. Raises `InputError` where the split must be named, or
    has no ground truth.
    """
    if root.name in FOLDERS.values() and any((f / "GroundTruth").is_dir() for f in root.iterdir()):
        kind, split = "fbms", next(split for split, name in FOLDERS.items() if name == root.name)
        root = root.parent
    else:
        kinds = [kind for kind in detect(root) if not KINDS[kind].stills]
        if not kinds:
            return None
        kind = data if data in kinds else kinds[0]
    splits = KINDS[kind].splits(root)
    if split is None and len(splits) != 1:
        raise InputError(f"{root} has the splits {', '.join(splits)}", "choose one with --split")
    dataset = open_dataset(kind, root, split or splits[0])
    annotated = [s for s in dataset.sequences if any(mask is not None for mask in s.masks)]
    if not annotated:
        raise InputError(
            f"{root}: no ground truth in the split {dataset.split!r}", "choose another"
        )
    return replace(dataset, sequences=annotated)


def truth_of_dataset(dataset: Dataset, foreground: Foreground) -> GroundTruth:
    """The ground truth of the frames that have it."""
    sequences = {
        sequence.name: {
            frame.stem: truth_of(mask, foreground)
            for frame, mask in zip(sequence.frames, sequence.masks, strict=True)
            if mask is not None
        }
        for sequence in dataset.sequences
    }
    return GroundTruth(f"{dataset.ground_truth}, {dataset.split}", sequences)


def sequence_names(text: str) -> list[str]:
    """Names with commas between, or those of a list file (`listed`)."""
    listing = Path(text)
    if listing.is_file():
        return listed(listing)
    return [name.strip() for name in text.split(",") if name.strip()]


def find_predictions(
    root: Path, sequences: Collection[str], *, probabilities: bool = False
) -> dict[str, PredictionFolder]:
    """The predictions of ``sequences`` that there are below ``root``.

    Maps of sequence SEQ lie in ``root/SEQ`` or, where there is one sequence only, may lie in
    ``root`` itself; with ``probabilities`` in the folder of that name inside.

    Raises:
        InputError: there are none at all.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder of predictions", "check the path")
    found = {}
    for name in sequences:
        places = [root / name, root] if len(sequences) == 1 else [root / name]
        for place in places:
            maps = _list_maps(place / PROBABILITIES if probabilities else place)
            if maps:
                found[name] = PredictionFolder(place, maps)
                break
    if not found:
        inside = f"/{PROBABILITIES}" if probabilities else ""
        wanted = ", ".join(f"{root}/{name}{inside}" for name in list(sequences)[:2])
        raise InputError(f"{root}: no predictions (.png or .npy), expected in {wanted}, ...")
    return found


def pair_files(
    truth: GroundTruth,
    predictions: Mapping[str, PredictionFolder],
    *,
    objects: bool = False,
    read_as: ReadAs = "auto",
    allow_missing: bool = False,
) -> list[tuple[str, list[Pair]]]:
    """Each frame with ground truth and its prediction: of the same name, or the same number.

    Raises:
        InputError: predictions are missing, unless ``allow_missing``; or gray maps look like
            labels and ``read_as`` does not say.
    """
    absent = [name for name in truth.sequences if name not in predictions]
    if absent and not allow_missing:
        raise InputError(
            f"no predictions for {len(absent)} of {len(truth.sequences)} sequences "
            f"({some(absent)})",
            "add them, choose with --sequences, or count them as empty with --allow-missing",
        )
    paired, missing = [], []
    for name, truths in truth.sequences.items():
        maps = match(truths, predictions[name].maps) if name in predictions else {}
        missing += [f"{name}/{frame}" for frame in truths if frame not in maps]
        readers = {
            frame: ObjectFile(path) if objects else MapFile(path, read_as)
            for frame, path in maps.items()
        }
        paired.append((name, [Pair(f, readers.get(f), reader) for f, reader in truths.items()]))
    if missing and not allow_missing:
        raise InputError(
            f"{len(missing)} frames have no prediction ({some(missing)})",
            "add them, or count them as empty with --allow-missing",
        )
    if read_as == "auto" and not objects:
        _check_gray(predictions)
    return paired


def _davis_name(folder: Path) -> str | None:
    """Which DAVIS the folder of annotations belongs to, where its surroundings tell."""
    for place in (folder, folder.parent):
        if place.parent.name == "Annotations_unsupervised":
            return KINDS["davis17-unsupervised"].title
        if place.parent.name == "Annotations":
            kinds = detect(place.parent.parent)
            kind = next((kind for kind in ("davis17", "davis16") if kind in kinds), None)
            return KINDS[kind].title if kind else None
    return None


def _list_maps(folder: Path) -> dict[str, Path]:
    """The maps in a folder by name, in natural order; arrays where there are images as well."""
    arrays = sorted(folder.glob("*.npy")) if folder.is_dir() else []
    return {path.stem: path for path in [*list_frames(folder), *arrays]}


def match(truths: Collection[str], maps: Mapping[str, Path]) -> dict[str, Path]:
    """The file of each frame that has one: by name or, where no name fits, by its last number."""
    by_name = {frame: maps[frame] for frame in truths if frame in maps}
    if by_name:
        return by_name
    numbers = [last_number(frame) for frame in truths]
    numbered = {last_number(name): path for name, path in maps.items()}
    if None in numbers or len(set(numbers)) < len(numbers) or len(numbered) < len(maps):
        return {}
    return {
        frame: numbered[number]
        for frame, number in zip(truths, numbers, strict=True)
        if number in numbered
    }


def _check_gray(predictions: Mapping[str, PredictionFolder]) -> None:
    """Refuse gray maps that look like labels: a few from each sequence, all but black."""
    highest, example = 0, Path()
    for prediction in predictions.values():
        paths = list(prediction.maps.values())
        for path in {paths[0], paths[len(paths) // 2], paths[-1]}:
            values = read_values(path)
            if values.dtype != np.uint8:
                return
            if values.max(initial=0) > highest:
                highest, example = int(values.max()), path
            if highest > _LARGEST_LABEL:
                return
    if highest:
        raise InputError(
            f"{example}: no value above {highest} of 255 there or in any other map looked at, "
            "so these may be labels",
            "say --read-as labels or --read-as probabilities",
        )
