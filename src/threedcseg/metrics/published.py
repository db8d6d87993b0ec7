"""The figures of the paper's Table 5, as the authors' evaluation has them.

All pixels of all annotated frames of all sequences go into one pool; F has beta^2 = 1 and is the
best over every threshold that some pixel's value gives, 0 included (where everything is
foreground). The authors gave their DAVIS script probabilities and their FBMS and ViSal scripts hard
masks, and took the mean absolute error of probabilities; here both figures are of the map that is
given, and both are reported once more for the mask. See DEVIATIONS.md.
"""

from collections.abc import Sequence

import numpy as np

from threedcseg.metrics.maps import THRESHOLD, check_map, to_foreground
from threedcseg.metrics.results import Figures, SequenceResult
from threedcseg.metrics.scorer import SequenceScorer, check_same_size

NUM_LEVELS = 1 << 16
"""Probabilities are counted to 16 bits; maps of 8 and 16 bits exactly."""


class PooledScorer(SequenceScorer):
    """Counts pixels by value, for the background and for the object."""

    def __init__(self, name: str, threshold: float = THRESHOLD) -> None:
        super().__init__(name)
        self._threshold = threshold
        self._counts = np.zeros((2, NUM_LEVELS), np.int64)
        self._per_frame: list[Figures] = []

    def measure(self, prediction: np.ndarray, ground_truth: np.ndarray) -> np.ndarray:
        """``(2, NUM_LEVELS)`` int64: pixels of the background and of the object, by value."""
        check_same_size(prediction, ground_truth)
        check_map(prediction)
        joint = _levels(prediction) + NUM_LEVELS * to_foreground(ground_truth).astype(np.int64)
        return np.bincount(joint.ravel(), minlength=2 * NUM_LEVELS).reshape(2, NUM_LEVELS)

    def _add(self, measurement: np.ndarray) -> None:
        self._counts += measurement
        self._per_frame.append(_figures(measurement, self._threshold))

    def result(self) -> SequenceResult:
        size = self.size
        names = ("F1", "MAE")
        return SequenceResult(
            name=self.name,
            size=size,
            num_frames=len(self.frames),
            figures=_figures(self._counts, self._threshold),
            per_frame={
                "frame": tuple(self.frames),
                "counted": (True,) * len(self.frames),
                **{name: tuple(figures[name] for figures in self._per_frame) for name in names},
            },
            missing=tuple(self.missing),
            pooled=(self._counts.copy(), self._threshold),
        )


def pool(sequences: Sequence[SequenceResult]) -> Figures:
    """The figures of all pixels of all sequences."""
    counts = np.sum([s.pooled[0] for s in sequences], axis=0)
    return _figures(counts, sequences[0].pooled[1])


def _levels(prediction: np.ndarray) -> np.ndarray:
    """Values as int64 from 0 to ``NUM_LEVELS`` - 1."""
    if prediction.dtype.kind == "f":
        return np.rint(prediction * (NUM_LEVELS - 1)).astype(np.int64)
    largest = 1 if prediction.dtype == np.bool_ else np.iinfo(prediction.dtype).max
    return prediction.astype(np.int64) * ((NUM_LEVELS - 1) // largest)


def _figures(counts: np.ndarray, threshold: float) -> Figures:
    above = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]  # pixels at or above each level
    num_object, area = int(above[1, 0]), int(above[:, 0].sum())
    f1 = 2 * above[1] / np.maximum(above.sum(axis=0) + num_object, 1)
    levels = np.arange(NUM_LEVELS) / (NUM_LEVELS - 1)
    cut = int(threshold * (NUM_LEVELS - 1)) + 1  # the lowest level that is foreground
    false_positive = int(above[0, cut]) if cut < NUM_LEVELS else 0
    true_positive = int(above[1, cut]) if cut < NUM_LEVELS else 0
    return {
        "F1_max": float(f1.max()),
        "MAE": float(counts[0] @ levels + counts[1] @ (1 - levels)) / area,
        "F1": float(f1[cut]) if cut < NUM_LEVELS else 0.0,
        "MAE_hard": (false_positive + num_object - true_positive) / area,
    }
