"""The named protocols: everything that decides a figure besides the predictions."""

from collections.abc import Iterable, Mapping

import numpy as np

from threedcseg.errors import InputError
from threedcseg.metrics.maps import THRESHOLD
from threedcseg.metrics.masks import MaskScorer
from threedcseg.metrics.results import Result, mean_figures

Frames = Iterable[np.ndarray]
Sequences = Mapping[str, tuple[Frames, Frames]] | Iterable[tuple[str, Frames, Frames]]
"""By name, the predictions and the ground truth of each sequence, both in order of the frames."""


def davis16(sequences: Sequences, *, threshold: float = THRESHOLD) -> Result:
    """Score sequences in memory, or streamed, by the DAVIS 2016 protocol.

    Args:
        sequences: predictions are ``(H, W)`` bool, uint8, uint16 or floats in [0, 1]; ground truth
            is ``(H, W)`` bool or uint8 {0, 255}. Each is taken frame by frame, as it comes.
        threshold: foreground is where the probability is above it.

    >>> result = davis16({"dog": (predictions, ground_truth)})  # doctest: +SKIP
    >>> result.overall["J&F"], result.sequences[0].figures["J_mean"]
    """
    if isinstance(sequences, Mapping):
        sequences = [(name, *frames) for name, frames in sequences.items()]
    scored = []
    for name, predictions, ground_truth in sequences:
        scorer = MaskScorer(name, threshold)
        for prediction, truth in zip(predictions, ground_truth, strict=True):
            scorer.score(prediction, truth)
        scored.append(scorer.result())
    if not scored:
        raise InputError("no sequences to score: check the folders")
    return Result("davis16", mean_figures(scored), tuple(scored))
