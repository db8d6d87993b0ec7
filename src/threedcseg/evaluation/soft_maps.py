"""Scores of saliency maps, each frame with ground truth weighing the same."""

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from threedcseg.evaluation.results import Figures, SequenceResult
from threedcseg.evaluation.scorer import SequenceScorer, check_same_size
from threedcseg.metrics.maps import to_foreground, to_mask
from threedcseg.metrics.measure import Measure
from threedcseg.metrics.saliency import MapPair


class _Sums(NamedTuple):
    """Sums over frames of the values of each measure: numbers, or arrays such as curves."""

    num_frames: int
    values: tuple[Any, ...]

    def plus(self, other: "_Sums") -> "_Sums":
        values = (a + b for a, b in zip(self.values, other.values, strict=True))
        return _Sums(self.num_frames + other.num_frames, tuple(values))


class MapScorer(SequenceScorer):
    """Values of each map; figures are of their means over frames."""

    def _begin(self) -> None:
        self._sums = _Sums(0, (0.0,) * len(self.measures))
        self._per_frame: list[list[float]] = []

    def measure(self, prediction: np.ndarray, ground_truth: np.ndarray) -> list[Any]:
        mask, truth = to_mask(prediction, self.settings.threshold), to_foreground(ground_truth)
        check_same_size(mask, truth)
        pair = MapPair(mask, truth, prediction, self.settings.normalise)
        return [measure.compute(pair) for measure in self.measures]

    def _add(self, measurement: list[Any]) -> None:
        self._sums = self._sums.plus(_Sums(1, tuple(measurement)))
        self._per_frame.append([value for value in measurement if np.ndim(value) == 0])

    def _result(self) -> SequenceResult:
        sums, columns = self._sums, zip(*self._per_frame, strict=True)
        totals = zip(self.measures, sums.values, strict=True)
        single = (measure for measure, total in totals if np.ndim(total) == 0)
        per_frame = {m.name: values for m, values in zip(single, columns, strict=True)}
        return self._made(_figures(self.measures, sums), per_frame, pooled=sums)

    @staticmethod
    def overall(measures: Sequence[Measure], sequences: Sequence[SequenceResult]) -> Figures:
        """Means over all frames of all sequences, every frame weighing the same."""
        return _figures(measures, reduce(_Sums.plus, (s.pooled for s in sequences)))


def _figures(measures: Sequence[Measure], sums: _Sums) -> Figures:
    figures: Figures = {}
    for measure, total in zip(measures, sums.values, strict=True):
        figures |= measure.figures_of([total / sums.num_frames])
    return figures
