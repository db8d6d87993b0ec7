"""What every protocol's scorer is: one sequence, fed frame by frame, in constant memory."""

from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np

from threedcseg.errors import InputError
from threedcseg.evaluation.results import SequenceResult


class Readable(Protocol):
    """A map or ground truth that is read when it is its turn, such as a file."""

    def read(self) -> np.ndarray:
        """``(H, W)``; raises `InputError` where it cannot be read."""
        ...


class SequenceScorer(ABC):
    """Scores the frames of one sequence in order.

    ``score`` does it in one step. It is ``add(measure(...))``: ``measure`` is the dear part, keeps
    nothing and may run for several frames at once in threads; ``add`` is cheap and in order.

    >>> scorer = PROTOCOLS["davis16"].scorer("dog")  # doctest: +SKIP
    >>> for prediction, ground_truth in pairs:
    ...     scorer.score(prediction, ground_truth)
    >>> scorer.result().figures["J_mean"]
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.frames: list[str] = []
        self.missing: list[str] = []
        self._size: tuple[int, int] | None = None

    @abstractmethod
    def measure(self, prediction: np.ndarray, ground_truth: np.ndarray) -> Any:
        """The measurement of a frame; raises `InputError` for arrays that cannot be scored."""

    @abstractmethod
    def result(self) -> SequenceResult:
        """The score of the frames so far; raises `InputError` where they are too few."""

    @abstractmethod
    def _add(self, measurement: Any) -> None:
        """Take in the measurement of the next frame."""

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
                f"{in_words(self._size)}: give frames of one size"
            )
        self._size = size
        self._add(measurement)
        self.frames.append(frame)
        if missing:
            self.missing.append(frame)

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` of the frames; raises `InputError` where there were none."""
        if self._size is None:
            raise InputError(f"{self.name}: no frames with ground truth; check the folders")
        return self._size


def check_same_size(prediction: np.ndarray, ground_truth: np.ndarray) -> None:
    """Raise `InputError` unless both are of one size."""
    if prediction.shape != ground_truth.shape:
        sizes = [in_words(array.shape[1::-1]) for array in (prediction, ground_truth)]
        raise InputError(
            f"the prediction is {sizes[0]}, the ground truth {sizes[1]}, and nothing is resized "
            "here: give predictions of the ground truth's size"
        )


def in_words(size: tuple[int, ...]) -> str:
    """``(width, height)`` as ``854x480``."""
    return "x".join(map(str, size))
