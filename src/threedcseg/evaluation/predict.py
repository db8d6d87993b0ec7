"""Predict a data set and score it by the DAVIS'16 protocol, in one go and in constant memory."""

from collections.abc import Iterator
from collections.abc import Sequence as Items

import numpy as np

from threedcseg.datasets.masks import read_mask
from threedcseg.datasets.sequence import Sequence
from threedcseg.errors import InputError
from threedcseg.evaluation.protocols import davis16
from threedcseg.evaluation.results import Result
from threedcseg.inference.predictor import Network, segment
from threedcseg.inference.settings import Settings
from threedcseg.video.images import read_image


def score_sequences(
    sequences: Items[Sequence], network: Network, settings: Settings | None = None
) -> Result:
    """J and F of what ``network`` makes of fully annotated sequences.

    Raises `InputError` for a frame without ground truth or a file that cannot be read.
    """
    settings = settings or Settings()

    def scored(
        sequence: Sequence,
    ) -> tuple[str, Iterator[np.ndarray], Iterator[np.ndarray]]:
        frames = (read_image(path) for path in sequence.frames)
        predictions = (p for _, p in segment(frames, network, settings))
        truths = (_truth(sequence, index) for index in range(len(sequence.frames)))
        return sequence.name, predictions, truths

    return davis16(map(scored, sequences), threshold=settings.threshold)


def _truth(sequence: Sequence, index: int) -> np.ndarray:
    path = sequence.masks[index]
    if path is None:
        raise InputError(
            f"{sequence.frames[index]}: no ground truth for this frame; the davis16 protocol wants "
            "one for each"
        )
    return read_mask(path)
