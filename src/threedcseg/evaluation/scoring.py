"""Scoring sequences as they come: arrays, streams or files, in constant memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from threedcseg.errors import InputError
from threedcseg.evaluation.protocols import PROTOCOLS, EvaluationProtocol
from threedcseg.evaluation.results import Result
from threedcseg.evaluation.scorer import Readable, ScoringSettings, SequenceScorer
from threedcseg.metrics.maps import THRESHOLD


class Pair(NamedTuple):
    """A frame to be scored: arrays, or what reads them when it is their turn.

    A ``prediction`` of None is missing and counts as empty.
    """

    frame: str
    prediction: np.ndarray | Readable | None
    ground_truth: np.ndarray | Readable


Frames = Iterable[np.ndarray]


def score(
    protocol: EvaluationProtocol,
    sequences: Iterable[tuple[str, Iterable[Pair]]],
    settings: ScoringSettings | None = None,
    *,
    workers: int = 1,
    on_frame: Callable[[str], None] | None = None,
) -> Result:
    """Score sequences as they come, in constant memory.

    Args:
        protocol: one of `PROTOCOLS`.
        sequences: names, and the frames with ground truth in order.
        settings: what may be chosen within the protocol.
        workers: threads that read and measure frames. (NumPy, OpenCV and Pillow let go of the
            interpreter's lock while they work.) With more than one, arrays must not be written to
            after they were handed over.
        on_frame: called with the sequence's name after each frame.

    Raises:
        InputError: naming sequence and frame, for what cannot be read or scored.
    """
    settings = settings or ScoringSettings()
    settings.check()
    scored = []
    for name, pairs in sequences:
        scorer = protocol.scorer(name, settings)
        for pair, measured in _in_order(partial(_measure, scorer), pairs, workers):
            missing = pair.prediction is None
            scorer.add(measured.measurement, measured.shape, pair.frame, missing=missing)
            if on_frame is not None:
                on_frame(name)
        scored.append(scorer.result())
    if not scored:
        raise InputError("no sequences to score", "check the folders")
    return Result(protocol.name, protocol.overall(scored), tuple(scored))


def davis16(
    sequences: Mapping[str, tuple[Frames, Frames]] | Iterable[tuple[str, Frames, Frames]],
    *,
    threshold: float = THRESHOLD,
    workers: int = 1,
) -> Result:
    """Score sequences in memory, or streamed, by the DAVIS 2016 protocol.

    Args:
        sequences: by name, predictions and ground truth, frame by frame in order. Predictions are
            ``(H, W)`` bool, uint8, uint16 or floats in [0, 1]; ground truth is ``(H, W)`` bool or
            uint8 {0, 255}.
        threshold: foreground is where the probability is above it.
        workers: threads, as in `score`.

    >>> result = davis16({"dog": (predictions, ground_truth)})  # doctest: +SKIP
    >>> result.overall["J&F"], result.sequences[0].figures["J_mean"]  # doctest: +SKIP
    """
    if isinstance(sequences, Mapping):
        sequences = ((name, *frames) for name, frames in sequences.items())
    pairs = ((name, pair_up(ours, theirs)) for name, ours, theirs in sequences)
    settings = ScoringSettings(threshold)
    return score(PROTOCOLS["davis16"], pairs, settings, workers=workers)


def pair_up(
    predictions: Frames,
    ground_truth: Iterable[np.ndarray | Readable | None],
    frames: Iterable[str] | None = None,
) -> Iterator[Pair]:
    """Predictions of every frame with the ground truth of those frames that have one.

    ``frames`` names them; by default by number. Raises ValueError where one runs out first.
    """
    names = (f"{i:05d}" for i in count()) if frames is None else iter(frames)
    for prediction, truth in zip(predictions, ground_truth, strict=True):
        frame = next(names)
        if truth is not None:
            yield Pair(frame, prediction, truth)


class _Measured(NamedTuple):
    measurement: Any
    shape: tuple[int, ...]


def _measure(scorer: SequenceScorer, pair: Pair) -> _Measured:
    try:
        truth = _read(pair.ground_truth)
        prediction = np.zeros(truth.shape, np.uint8)
        if pair.prediction is not None:
            prediction = _read(pair.prediction)
        return _Measured(scorer.measure(prediction, truth), truth.shape)
    except InputError as error:
        raise InputError(f"{scorer.name}/{pair.frame}: {error.what}", error.remedy) from None


def _read(source: np.ndarray | Readable) -> np.ndarray:
    return source if isinstance(source, np.ndarray) else source.read()


def _in_order(
    measure: Callable[[Pair], _Measured], pairs: Iterable[Pair], workers: int
) -> Iterator[tuple[Pair, _Measured]]:
    """Each pair with its measurement, in order; with several workers, a few pairs ahead of time."""
    if workers == 1:
        for pair in pairs:
            yield pair, measure(pair)
        return
    waiting: deque[tuple[Pair, Future[_Measured]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for pair in pairs:
            waiting.append((pair, pool.submit(measure, pair)))
            if len(waiting) > 2 * workers:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
