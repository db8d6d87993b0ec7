"""The figures of the paper's Table 5, as the authors' evaluation has them.

All pixels of all annotated frames of all sequences go into one pool; F has beta^2 = 1 and is the
best over every threshold that some pixel's value gives, 0 included (where everything is
foreground). The authors gave their DAVIS script probabilities and their FBMS and ViSal scripts hard
masks, and took the mean absolute error of probabilities; here both figures are of the map that is
given, and both are reported once more for the mask. See DEVIATIONS.md.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from threedcseg.evaluation.results import Figures, SequenceResult
from threedcseg.evaluation.scorer import SequenceScorer, check_same_size
from threedcseg.metrics.maps import THRESHOLD, to_foreground, to_mask

NUM_LEVELS = 1 << 16
"""Probabilities are counted to 16 bits; maps of 8 and 16 bits exactly."""


class _Counts(NamedTuple):
    """Numbers of pixels of the background and of the object, in some frames.

    ``levels``: ``(2, NUM_LEVELS)`` int64, by value; ``mask``: ``(2,)`` int64, where the binarised
    map is foreground.
    """

    levels: np.ndarray
    mask: np.ndarray


class PooledScorer(SequenceScorer):
    """Counts pixels by value, for the background and for the object."""

    def __init__(self, name: str, threshold: float = THRESHOLD) -> None:
        super().__init__(name)
        self._threshold = threshold
        self._counts = _Counts(np.zeros((2, NUM_LEVELS), np.int64), np.zeros(2, np.int64))
        self._per_frame: list[Figures] = []

    def measure(self, prediction: np.ndarray, ground_truth: np.ndarray) -> _Counts:
        mask, truth = to_mask(prediction, self._threshold), to_foreground(ground_truth)
        check_same_size(mask, truth)
        joint = _levels(prediction) + NUM_LEVELS * truth.astype(np.int64)
        levels = np.bincount(joint.ravel(), minlength=2 * NUM_LEVELS).reshape(2, NUM_LEVELS)
        true_positive = np.count_nonzero(mask & truth)
        return _Counts(levels, np.array([np.count_nonzero(mask) - true_positive, true_positive]))

    def _add(self, measurement: _Counts) -> None:
        for sums, counts in zip(self._counts, measurement, strict=True):
            sums += counts
        self._per_frame.append(_figures(measurement))

    def result(self) -> SequenceResult:
        return SequenceResult(
            name=self.name,
            size=self.size,
            num_frames=len(self.frames),
            figures=_figures(self._counts),
            per_frame={
                "frame": tuple(self.frames),
                "counted": (True,) * len(self.frames),
                "F1": tuple(figures["F1"] for figures in self._per_frame),
                "MAE": tuple(figures["MAE"] for figures in self._per_frame),
            },
            missing=tuple(self.missing),
            pooled=_Counts(*(counts.copy() for counts in self._counts)),
        )


def pool(sequences: Sequence[SequenceResult]) -> Figures:
    """The figures of all pixels of all sequences."""
    parts = zip(*(sequence.pooled for sequence in sequences), strict=True)
    return _figures(_Counts(*(np.sum(part, axis=0) for part in parts)))


def _levels(prediction: np.ndarray) -> np.ndarray:
    """Values as int64 from 0 to ``NUM_LEVELS`` - 1."""
    if prediction.dtype.kind == "f":
        return np.rint(prediction * (NUM_LEVELS - 1)).astype(np.int64)
    largest = 1 if prediction.dtype == np.bool_ else np.iinfo(prediction.dtype).max
    return prediction.astype(np.int64) * ((NUM_LEVELS - 1) // largest)


def _figures(counts: _Counts) -> Figures:
    above = np.cumsum(counts.levels[:, ::-1], axis=1)  # pixels at or above each level
    num_object, area = int(above[1, -1]), int(above[:, -1].sum())
    levels = np.arange(NUM_LEVELS) / (NUM_LEVELS - 1)
    error = counts.levels[0] @ levels + counts.levels[1] @ (1 - levels)
    false_positive, true_positive = map(int, counts.mask)
    return {
        "F1_max": float((2 * above[1] / np.maximum(above.sum(axis=0) + num_object, 1)).max()),
        "MAE": float(error) / area,
        "F1": 2 * true_positive / max(false_positive + true_positive + num_object, 1),
        "MAE_hard": (false_positive + num_object - true_positive) / area,
    }
