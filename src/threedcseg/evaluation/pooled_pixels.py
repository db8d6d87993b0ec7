"""Scores of all pixels of all frames in one pool: the protocol of the paper's Table 5."""

from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np

from threedcseg.evaluation.results import Figures, SequenceResult
from threedcseg.evaluation.scorer import SequenceScorer, check_same_size
from threedcseg.metrics.maps import to_foreground, to_mask
from threedcseg.metrics.measure import Measure
from threedcseg.metrics.pooled import PixelCounts


class PooledScorer(SequenceScorer):
    """Counts pixels by value, for the background and for the object."""

    def _begin(self) -> None:
        self._counts = PixelCounts.none()
        self._per_frame: list[Figures] = []

    def measure(self, prediction: np.ndarray, ground_truth: np.ndarray) -> PixelCounts:
        mask, truth = to_mask(prediction, self.settings.threshold), to_foreground(ground_truth)
        check_same_size(mask, truth)
        return PixelCounts.of(prediction, mask, truth)

    def _add(self, measurement: PixelCounts) -> None:
        self._counts += measurement
        self._per_frame.append(_figures(self.measures, measurement))

    def _result(self) -> SequenceResult:
        names = [measure.name for measure in self.measures]
        per_frame = {name: [figures[name] for figures in self._per_frame] for name in names}
        return self._made(_figures(self.measures, self._counts), per_frame, pooled=self._counts)

    @staticmethod
    def overall(measures: Sequence[Measure], sequences: Sequence[SequenceResult]) -> Figures:
        """The figures of all pixels of all sequences."""
        return _figures(measures, reduce(add, (sequence.pooled for sequence in sequences)))


def _figures(measures: Sequence[Measure], counts: PixelCounts) -> Figures:
    return {measure.name: measure.compute(counts) for measure in measures}
