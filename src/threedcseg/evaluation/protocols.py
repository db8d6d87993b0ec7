"""The named protocols: everything that decides a figure besides the predictions."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Literal, NamedTuple

import numpy as np

from threedcseg.errors import InputError
from threedcseg.evaluation.masks import MaskScorer
from threedcseg.evaluation.multi_object import ObjectScorer, mean_over_objects
from threedcseg.evaluation.pooled import PooledScorer, pool
from threedcseg.evaluation.results import Figures, Result, SequenceResult, mean_over_sequences
from threedcseg.evaluation.scorer import Readable, SequenceScorer
from threedcseg.evaluation.soft_maps import MapScorer, mean_over_frames
from threedcseg.metrics.maps import THRESHOLD


@dataclass(frozen=True)
class Settings:
    """What may be chosen within a protocol; the protocol's name alone means the defaults.

    ``threshold``: foreground is where the probability is above it. ``normalise``: saliency measures
    stretch each map to the whole of [0, 1] first, as the field's kit does.
    """

    threshold: float = THRESHOLD
    normalise: bool = True

    def check(self) -> None:
        """Raise `InputError` for values that cannot work."""
        if not 0 <= self.threshold < 1:
            raise InputError(f"threshold {self.threshold} is out of range: give 0 <= p < 1")


@dataclass(frozen=True)
class Protocol:
    """How sequences are scored.

    Attributes:
        name: what it is called, in every result.
        frames: which frames count, in words.
        averaging: what the overall figures are means of, in words.
        binarisation: how maps become masks, with ``{threshold}`` and ``{normalisation}`` to fill.
        foreground: which pixels of a ground-truth file are foreground: all but "zero", those above
            "half" the range (labels: all but 0), or "labels", kept as numbered objects.
        data: the kind of data set (a key of `datasets.registry.KINDS`) that belongs to it.
        headline: the figures a table has room for.
        scorer: makes the scorer of the sequence of that name.
        overall: from the sequences' results to the figures of all.
    """

    name: str
    frames: str
    averaging: str
    binarisation: str
    foreground: Literal["zero", "half", "labels"]
    data: str | None
    headline: tuple[str, ...]
    scorer: Callable[[str, Settings], SequenceScorer]
    overall: Callable[[Sequence[SequenceResult]], Figures]

    def describe_binarisation(self, settings: Settings) -> str:
        """How maps become masks, in words."""
        normalisation = "stretched to [0, 1] frame by frame" if settings.normalise else "as given"
        return self.binarisation.format(threshold=settings.threshold, normalisation=normalisation)


_MASK_FIGURES = ("J&F", "J_mean", "J_recall", "J_decay", "F_mean", "F_recall", "F_decay")
_MAP_FIGURES = (
    "MAE", "Fbeta_max", "Fbeta_mean", "Fbeta_adaptive", "Fbeta_w", "S", "E_max", "E_mean",
    "E_adaptive", "J_mean",
)  # fmt: skip


def _map_protocol(
    name: str, frames: str, foreground: Literal["zero", "half"], data: str | None
) -> Protocol:
    return Protocol(
        name=name,
        frames=frames,
        averaging="frames",
        binarisation="maps {normalisation}; 256 thresholds (max, mean) and twice the mean "
        "(adaptive); J: p > {threshold}",
        foreground=foreground,
        data=data,
        headline=_MAP_FIGURES,
        scorer=lambda name, s: MapScorer(name, s.threshold, s.normalise),
        overall=mean_over_frames,
    )


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="davis16",
            frames="all but the first and the last of each sequence",
            averaging="sequences",
            binarisation="p > {threshold}",
            foreground="zero",
            data="davis16",
            headline=(*_MASK_FIGURES, "flicker"),
            scorer=lambda name, s: MaskScorer(name, s.threshold),
            overall=mean_over_sequences,
        ),
        Protocol(
            name="davis2017-unsupervised",
            frames="all",
            averaging="objects, matched to at most 20 proposals a sequence",
            binarisation="none: numbered objects; void (255) ignored",
            foreground="labels",
            data="davis17-unsupervised",
            headline=_MASK_FIGURES,
            scorer=lambda name, s: ObjectScorer(name),
            overall=mean_over_objects,
        ),
        _map_protocol("saliency", "all with ground truth", "half", None),
        _map_protocol("fbms", "the annotated ones, about every 20th", "zero", "fbms"),
        _map_protocol("visal", "the annotated ones", "half", "visal"),
        Protocol(
            name="3dc-seg-published",
            frames="all with ground truth, in one pool of pixels",
            averaging="pixels",
            binarisation="every threshold (F1_max); p > {threshold} (F1, MAE_hard)",
            foreground="zero",
            data=None,
            headline=("F1_max", "MAE", "F1", "MAE_hard"),
            scorer=lambda name, s: PooledScorer(name, s.threshold),
            overall=pool,
        ),
    )
}


class Pair(NamedTuple):
    """A frame to be scored: arrays, or what reads them when it is their turn.

    A ``prediction`` of None is missing and counts as empty.
    """

    frame: str
    prediction: np.ndarray | Readable | None
    ground_truth: np.ndarray | Readable


Frames = Iterable[np.ndarray]


def score(
    protocol: Protocol,
    sequences: Iterable[tuple[str, Iterable[Pair]]],
    settings: Settings | None = None,
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
    settings = settings or Settings()
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
        raise InputError("no sequences to score: check the folders")
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
    >>> result.overall["J&F"], result.sequences[0].figures["J_mean"]
    """
    if isinstance(sequences, Mapping):
        sequences = ((name, *frames) for name, frames in sequences.items())
    pairs = ((name, pair_up(ours, theirs)) for name, ours, theirs in sequences)
    return score(PROTOCOLS["davis16"], pairs, Settings(threshold=threshold), workers=workers)


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
        raise InputError(f"{scorer.name}/{pair.frame}: {error}") from None


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
