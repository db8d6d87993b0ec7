"""Predict the sequences of a data set one after the other, to be scored."""

from collections.abc import Iterator
from collections.abc import Sequence as Items

import numpy as np

from threedcseg.datasets.sequence import Sequence, read_frame
from threedcseg.inference.predictor import Network, segment
from threedcseg.inference.settings import Settings


def predict_sequences(
    sequences: Items[Sequence], network: Network, settings: Settings
) -> Iterator[tuple[Sequence, Iterator[np.ndarray]]]:
    """Each sequence with its probabilities, ``(H, W)`` float32 for every frame, in order."""
    for sequence in sequences:
        frames = (read_frame(path) for path in sequence.frames)
        yield sequence, (p for _, p in segment(frames, network, settings))
