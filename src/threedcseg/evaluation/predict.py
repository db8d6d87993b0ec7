"""Predict a data set and score it in one go, in constant memory."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from threedcseg.datasets.sequence import Sequence
from threedcseg.errors import InputError
from threedcseg.evaluation.protocols import PROTOCOLS, EvaluationProtocol
from threedcseg.evaluation.reading import truth_of
from threedcseg.evaluation.results import Result
from threedcseg.evaluation.scorer import ScoringSettings
from threedcseg.evaluation.scoring import Pair, score
from threedcseg.inference.predictor import Network, segment
from threedcseg.inference.settings import Settings
from threedcseg.video.images import read_image
from threedcseg.video.writer import to_levels

Predict = Callable[[Sequence], Iterable[np.ndarray]]
"""From a sequence to a mask or map ``(H, W)`` of each of its frames, in order."""


def score_sequences(
    sequences: Iterable[Sequence],
    network: Network,
    settings: Settings | None = None,
    protocol: str = "davis16",
    *,
    probabilities: bool = False,
) -> Result:
    """Score what ``network`` makes of ``sequences``; see `predictions` and `score_predictions`."""
    settings = settings or Settings.recommended_by(network)
    predict = partial(predictions, network=network, settings=settings, probabilities=probabilities)
    chosen = ScoringSettings(settings.threshold)
    return score_predictions(sequences, predict, PROTOCOLS[protocol], chosen)


def predictions(
    sequence: Sequence, network: Network, settings: Settings, *, probabilities: bool = False
) -> Iterator[np.ndarray]:
    """What `3dcseg segment` writes of each frame: a mask ``(H, W)`` bool or, with
    ``probabilities``, a map ``(H, W)`` uint8."""
    frames = (read_image(path) for path in sequence.frames)
    for _, p in segment(frames, network, settings):
        yield to_levels(p) if probabilities else settings.mask(p)


def score_predictions(
    sequences: Iterable[Sequence],
    predict: Predict,
    protocol: EvaluationProtocol,
    settings: ScoringSettings | None = None,
    *,
    workers: int = 1,
    on_frame: Callable[[str], None] | None = None,
) -> Result:
    """Score what ``predict`` makes of ``sequences``, where they have ground truth.

    ``settings``, ``workers`` and ``on_frame`` are those of `score`.

    Raises:
        InputError: a file cannot be read, or a frame has no ground truth and the protocol wants it.
    """

    def pairs(sequence: Sequence) -> Iterator[Pair]:
        frames = zip(sequence.frames, sequence.masks, strict=True)
        for prediction, (frame, mask) in zip(predict(sequence), frames, strict=True):
            if mask is not None:
                yield Pair(frame.stem, prediction, truth_of(mask, protocol.foreground))
            elif protocol.every_frame:
                raise InputError(
                    f"{frame}: no ground truth for this frame; the protocol {protocol.name} wants "
                    "one for each"
                )

    pairs_by_name = ((sequence.name, pairs(sequence)) for sequence in sequences)
    return score(protocol, pairs_by_name, settings, workers=workers, on_frame=on_frame)
