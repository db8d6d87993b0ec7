"""What every protocol's scorer is: one sequence, fed frame by frame, in constant memory."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from threedcseg.errors import InputError
from threedcseg.evaluation.results import Figures, SequenceResult
from threedcseg.metrics.figure import Figure
from threedcseg.metrics.maps import THRESHOLD
from threedcseg.metrics.measure import Measure


class Readable(Protocol):
    """A map or ground truth that is read when it is its turn, such as a file."""

    def read(self) -> np.ndarray:
        """``(H, W)``; raises `InputError` where it cannot be read."""
        ...


@dataclass(frozen=True)
class ScoringSettings:
    """What may be chosen within a protocol; the protocol's name alone means the defaults.

    ``threshold``: foreground is where the probability is above it. ``normalise``: saliency measures
    stretch each map to the whole of [0, 1] first, as the field's kit does.
    """

    threshold: float = THRESHOLD
    normalise: bool = True

    def check(self) -> None:
        """Raise `InputError` for values that cannot work."""
        if not 0 <= self.threshold < 1:
            raise InputError(f"threshold {self.threshold} is out of range", "give 0 <= p < 1")


class SequenceScorer(ABC):
    """Scores the frames of one sequence in order.

    ``score`` does it in one step. It is ``add(measure(...))``: ``measure`` does nearly all of the
    work, keeps nothing and may run for several frames at once in threads; ``add`` is cheap and in
    order.

    >>> scorer = PROTOCOLS["davis16"].scorer("dog")  # doctest: +SKIP
    >>> for prediction, ground_truth in pairs:  # doctest: +SKIP
    ...     scorer.score(prediction, ground_truth)
    >>> scorer.result().figures["J_mean"]  # doctest: +SKIP
    """

    derived: ClassVar[tuple[Figure, ...]] = ()
    """Figures that this makes of those of several measures."""

    def __init__(
        self, name: str, measures: Sequence[Measure], settings: ScoringSettings | None = None
    ) -> None:
        self.name = name
        self.measures = tuple(measures)
        self.settings = settings or ScoringSettings()
        self.frames: list[str] = []
        self.missing: list[str] = []
        self._size: tuple[int, int] | None = None
        self._begin()

    @abstractmethod
    def _begin(self) -> None:
        """Before the first frame."""

    @abstractmethod
    def measure(self, prediction: np.ndarray, ground_truth: np.ndarray) -> Any:
        """The measurement of a frame; raises `InputError` for arrays that cannot be scored."""

    @abstractmethod
    def _add(self, measurement: Any) -> None:
        """Take in the measurement of the next frame."""

    @abstractmethod
    def _result(self) -> SequenceResult:
        """The score of the frames so far, at least one, as `_made` makes it."""

    @staticmethod
    @abstractmethod
    def overall(measures: Sequence[Measure], sequences: Sequence[SequenceResult]) -> Figures:
        """From the results of sequences to the figures of all."""

    def score(
        self, prediction: np.ndarray, ground_truth: np.ndarray, frame: str | None = None
    ) -> None:
        """Measure and add the next frame; ``frame`` is its name, by default its number."""
        self.add(self.measure(prediction, ground_truth), ground_truth.shape, frame)

    def add(
        self,
        measurement: Any,
        shape: tuple[int, ...],
        frame: str | None = None,
        *,
        missing: bool = False,
    ) -> None:
        """Take in the next frame, of ``shape`` (H, W); ``missing``: it had no prediction."""
        frame = f"{len(self.frames):05d}" if frame is None else frame
        size = (shape[1], shape[0])
        if self._size is not None and self._size != size:
            raise InputError(
                f"{self.name}/{frame} is {in_words(size)}, the frames before it "
                f"{in_words(self._size)}",
                "give frames of one size",
            )
        self._size = size
        self._add(measurement)
        self.frames.append(frame)
        if missing:
            self.missing.append(frame)

    def result(self) -> SequenceResult:
        """The score of the frames so far; raises `InputError` where they are too few."""
        if self._size is None:
            raise InputError(f"{self.name}: no frames with ground truth", "check the folders")
        return self._result()

    def _made(
        self,
        figures: Figures,
        per_frame: Mapping[str, Sequence[float | None]],
        counted: Sequence[bool] | None = None,
        **more: Any,
    ) -> SequenceResult:
        """The result of the frames so far; all of them count unless ``counted`` says which."""
        assert self._size is not None
        return SequenceResult(
            self.name,
            self._size,
            figures,
            tuple(self.frames),
            (True,) * len(self.frames) if counted is None else tuple(counted),
            {name: tuple(values) for name, values in per_frame.items()},
            tuple(self.missing),
            **more,
        )


def check_same_size(prediction: np.ndarray, ground_truth: np.ndarray) -> None:
    """Raise `InputError` unless both are of one size."""
    if prediction.shape != ground_truth.shape:
        sizes = [in_words(array.shape[1::-1]) for array in (prediction, ground_truth)]
        raise InputError(
            f"the prediction is {sizes[0]}, the ground truth {sizes[1]}, and nothing is resized "
            "here",
            "give predictions of the ground truth's size",
        )


def in_words(size: tuple[int, ...]) -> str:
    """``(width, height)`` as ``854x480``."""
    return "x".join(map(str, size))
