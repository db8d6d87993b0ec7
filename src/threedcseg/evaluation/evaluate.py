"""Files, or what a network makes of a data set, to the record of an evaluation."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from threedcseg.errors import InputError
from threedcseg.evaluation.pairing import (
    find_dataset,
    find_ground_truth,
    find_predictions,
    pair_files,
    truth_of_dataset,
)
from threedcseg.evaluation.predict import Predict, score_predictions
from threedcseg.evaluation.protocols import PROTOCOLS
from threedcseg.evaluation.reading import ReadAs
from threedcseg.evaluation.record import EvaluationRecord, read_provenance
from threedcseg.evaluation.scorer import ScoringSettings
from threedcseg.evaluation.scoring import score

Progress = Callable[[int], AbstractContextManager[Callable[[str], None]]]
"""From the number of frames to what is called with a sequence's name after each."""


@contextmanager
def silent(total: int) -> Iterator[Callable[[str], None]]:
    """No progress."""
    yield lambda name: None


def evaluate_files(
    predictions: Path,
    ground_truth: Path,
    protocol: str = "davis16",
    settings: ScoringSettings | None = None,
    *,
    sequences: str | None = None,
    split: str | None = None,
    probabilities: bool = False,
    read_as: ReadAs = "auto",
    allow_missing: bool = False,
    truth_name: str | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> EvaluationRecord:
    """Score the maps in a folder against those in another.

    Args:
        predictions: their folder, as `find_predictions` takes it.
        ground_truth: its folder, as `find_ground_truth` takes it.
        protocol: a key of `PROTOCOLS`; ``settings`` are what may be chosen within it.
        sequences: only these, as `sequence_names` takes them.
        split: of the ground truth, where there are several.
        probabilities: the maps in ``SEQ/probabilities`` instead of the masks.
        read_as: what gray values are, as `pair_files` takes it.
        allow_missing: count frames without a prediction as empty.
        truth_name: what the record calls the ground truth; by default what it is known as.
        workers: threads that read and measure.

    Raises:
        InputError: for all that cannot be found, paired, read or scored.
    """
    rules = PROTOCOLS[protocol]
    truth = find_ground_truth(ground_truth, rules.foreground, rules.data, split).of(sequences)
    found = find_predictions(predictions, truth.sequences, probabilities=probabilities)
    pairs = pair_files(
        truth,
        found,
        objects=rules.foreground == "labels",
        read_as=read_as,
        allow_missing=allow_missing,
    )
    with progress(truth.num_frames) as tick:
        result = score(rules, pairs, settings, workers=workers, on_frame=tick)
    return EvaluationRecord.of(
        result,
        settings,
        ground_truth=truth_name or truth.name,
        predictions=str(predictions),
        read_as=read_as,
        probabilities=probabilities,
        provenance=read_provenance(prediction.folder for prediction in found.values()),
    )


def evaluate_dataset(
    root: Path,
    prepare: Callable[[], tuple[Predict, dict[str, Any]]],
    protocol: str = "davis16",
    settings: ScoringSettings | None = None,
    *,
    sequences: str | None = None,
    split: str | None = None,
    probabilities: bool = False,
    predictions: str = "made for this evaluation, not kept",
    truth_name: str | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> EvaluationRecord:
    """Predict the sequences of a data set and score them; the rest as `evaluate_files`.

    ``prepare`` gives what predicts, and its provenance; it is called when all else is found to be
    in order, since a network takes its time to load. ``predictions`` is what the record calls them.
    """
    rules = PROTOCOLS[protocol]
    if rules.foreground == "labels":
        raise InputError(
            f"{protocol} scores numbered objects, and a network makes masks",
            "write objects with `3dcseg segment FRAMES -o DIR --write palette` and score "
            "DIR/SEQ/palette",
        )
    dataset = find_dataset(root, rules.data, split)
    if dataset is None:
        raise InputError(f"{root}: no data set known here", "see `3dcseg data check`")
    truth = truth_of_dataset(dataset, rules.foreground).of(sequences)
    by_name = {sequence.name: sequence for sequence in dataset.sequences}
    predict, provenance = prepare()
    with progress(truth.num_frames) as tick:
        chosen = [by_name[name] for name in truth.sequences]
        result = score_predictions(chosen, predict, rules, settings, workers=workers, on_frame=tick)
    return EvaluationRecord.of(
        result,
        settings,
        ground_truth=truth_name or truth.name,
        predictions=predictions,
        probabilities=probabilities,
        provenance=provenance,
    )
