"""The files behind a report: frames, ground truth and each run's masks, sequence by sequence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from threedcseg.errors import InputError
from threedcseg.evaluation.pairing import (
    GroundTruth,
    PredictionFolder,
    find_ground_truth,
    find_predictions,
    match,
)
from threedcseg.evaluation.protocols import Foreground
from threedcseg.evaluation.reading import MapFile, ObjectFile
from threedcseg.evaluation.scorer import Readable
from threedcseg.metrics.maps import to_foreground, to_mask
from threedcseg.metrics.region import region_similarity
from threedcseg.report.results import Run
from threedcseg.video.images import read_image
from threedcseg.video.paths import list_images

_SAME = 1e-6  # how far J of a mask may be from the J of the record
_DATASETS = ("JPEGImages/480p", "Testset", "Trainingset", "ViSal", "")


@dataclass(frozen=True)
class Picture:
    """One frame in full size: ``image`` (H, W, 3) uint8 RGB; ``truth`` and ``masks`` (H, W) bool,
    a mask for each run, None where the run does not have the sequence."""

    image: np.ndarray
    truth: np.ndarray
    masks: tuple[np.ndarray | None, ...]


@dataclass(frozen=True)
class Scene:
    """The files of one sequence, for the frames that have ground truth.

    ``predictions`` has one entry a run: files by frame, None where the run was not scored here.
    """

    name: str
    frames: tuple[str, ...]
    images: Mapping[str, Path]
    truths: Mapping[str, Readable]
    predictions: tuple[Mapping[str, Path] | None, ...]
    runs: tuple[Run, ...]

    def read(self, index: int) -> Picture:
        """A frame, checked against the records.

        Raises:
            InputError: a file cannot be read, sizes differ, or a mask's J is not the recorded one,
                so that it is not what was scored.
        """
        frame = self.frames[index]
        image = read_image(self.images[frame])
        truth = to_foreground(self.truths[frame].read())
        if image.shape[:2] != truth.shape:
            raise InputError(
                f"{self.images[frame]} is {image.shape[1]}x{image.shape[0]}, its ground truth "
                f"{truth.shape[1]}x{truth.shape[0]}",
                "give the frames that the masks are of",
            )
        return Picture(
            image, truth, tuple(self._mask(i, index, truth) for i in range(len(self.runs)))
        )

    def _mask(self, number: int, index: int, truth: np.ndarray) -> np.ndarray | None:
        files, run, frame = self.predictions[number], self.runs[number], self.frames[index]
        if files is None:
            return None
        if frame not in files:  # counted as empty
            return np.zeros(truth.shape, bool)
        mask = _read_mask(files[frame], run)
        of_whole_mask = run.protocol.foreground != "labels"  # there, J is of objects
        recorded = run.sequences[self.name].per_frame.get("J") if of_whole_mask else None
        j = recorded[index] if recorded else None
        if mask.shape != truth.shape or (
            j is not None and abs(region_similarity(mask, truth) - j) > _SAME
        ):
            raise InputError(
                f"{files[frame]} is not what {run.path} was made from, or the ground truth is not",
                "name the folders that were scored with --predictions and --ground-truth",
            )
        return mask


def _read_mask(path: Path, run: Run) -> np.ndarray:
    """A prediction as it was read when it was scored, ``(H, W)`` bool."""
    if run.protocol.foreground == "labels":
        return ObjectFile(path).read() != 0
    return to_mask(MapFile(path, run.record.read_as).read(), run.record.threshold)


def find_scenes(
    runs: Sequence[Run],
    ground_truth: Path,
    split: str | None = None,
    frames: Path | None = None,
    predictions: Sequence[Path] = (),
) -> list[Scene]:
    """The files of every sequence of the runs, in the order of the first run that has it.

    Args:
        runs: what was scored.
        ground_truth: its folder, and ``split`` where that is a data set, as `3dcseg evaluate` takes
            them.
        frames: the folder of ``SEQ/*.jpg`` or of a DAVIS; by default looked for beside the ground
            truth.
        predictions: the folder of each run; by default the one its record names.

    Raises:
        InputError: naming what is missing.
    """
    if predictions and len(predictions) != len(runs):
        raise InputError(
            f"{len(predictions)} folders of predictions for {len(runs)} runs", "name one for each"
        )
    names = list(dict.fromkeys(name for run in runs for name in run.sequences))
    foreground: Foreground = "half" if runs[0].protocol.foreground == "half" else "zero"
    truth = find_ground_truth(ground_truth, foreground, runs[0].protocol.data, split)
    folders = predictions or [_recorded_folder(run) for run in runs]
    found = [
        find_predictions(folder, run.sequences, probabilities=run.record.probabilities)
        for run, folder in zip(runs, folders, strict=True)
    ]
    return [_scene(name, runs, truth, found, ground_truth, frames) for name in names]


def _scene(
    name: str,
    runs: Sequence[Run],
    truth: GroundTruth,
    found: Sequence[Mapping[str, PredictionFolder]],
    truth_folder: Path,
    frames: Path | None,
) -> Scene:
    having = [run for run in runs if name in run.sequences]
    order = having[0].sequences[name].frames
    odd = next((run for run in having if run.sequences[name].frames != order), None)
    if odd is not None:
        raise InputError(
            f"{having[0].path} and {odd.path} have different frames of {name}",
            "report on them one by one",
        )
    truths = truth.sequences.get(name, {})
    absent = next((frame for frame in order if frame not in truths), None)
    if absent is not None:
        raise InputError(
            f"{truth_folder}: no ground truth of {name}/{absent}, which {having[0].path} has",
            "give the folder that was scored, with its --split",
        )
    return Scene(
        name,
        order,
        _images_of(name, order, truths, truth_folder, frames),
        truths,
        tuple(
            match(order, folders[name].maps if name in folders else {})
            if name in run.sequences
            else None
            for run, folders in zip(runs, found, strict=True)
        ),
        tuple(runs),
    )


def _recorded_folder(run: Run) -> Path:
    """The folder that the record names, as seen from here or from the record."""
    named = Path(run.record.predictions)
    places = [named, run.path.parent / named]
    place = next((place for place in places if place.is_dir()), None)
    if place is None:
        raise InputError(
            f"{run.path}: its predictions, {str(named)!r}, are not there",
            "name the folder of each run with --predictions",
        )
    return place


def _images_of(
    name: str,
    order: Sequence[str],
    truths: Mapping[str, Readable],
    truth_folder: Path,
    frames: Path | None,
) -> dict[str, Path]:
    """The image of each frame; raises `InputError` where one is missing."""
    masks = {path.resolve() for truth in truths.values() if (path := getattr(truth, "path", None))}
    places = _frame_folders(name, truth_folder if frames is None else frames, frames is None)
    for place in places:
        images = match(order, {path.stem: path for path in list_images(place)})
        if masks & {path.resolve() for path in images.values()}:
            continue  # the ground truth itself
        missing = next((frame for frame in order if frame not in images), None)
        if images and missing is not None:
            raise InputError(f"{place}: no frame {missing}", "complete it, or give --frames")
        if images:
            return images
    where = f"beside {truth_folder}" if frames is None else f"in {frames}"
    raise InputError(f"no frames of {name} {where}", "name the folder of SEQ/*.jpg with --frames")


def _frame_folders(name: str, root: Path, beside_truth: bool) -> list[Path]:
    """Where the frames of a sequence may lie, likeliest first; only folders that there are."""
    root = root.resolve()
    roots = [root / inside for inside in _DATASETS]
    if beside_truth:
        kind = next((part for part in root.parts[::-1] if part.startswith("Annotations")), None)
        if kind is not None:
            at = len(root.parts) - 1 - root.parts[::-1].index(kind)
            roots = [Path(*root.parts[:at], "JPEGImages", *root.parts[at + 1 :])]
    places = [place / name for place in roots]
    places += [place for place in roots if place.name == name or not beside_truth]
    return [place for place in places if place.is_dir()]
