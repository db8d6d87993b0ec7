"""Scores of binary masks, such as J, F and flicker, as the DAVIS 2016 benchmark counts frames."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from threedcseg.errors import InputError
from threedcseg.evaluation.results import Figures, SequenceResult, mean_figures
from threedcseg.evaluation.scorer import SequenceScorer, check_same_size
from threedcseg.metrics.figure import Figure
from threedcseg.metrics.maps import to_foreground, to_mask
from threedcseg.metrics.measure import Measure
from threedcseg.metrics.pair import MaskPair

J_AND_F = Figure("J&F")


class _Frame(NamedTuple):
    pair: MaskPair
    values: list[float | None]  # of each measure; None: of change, so not known yet


class MaskScorer(SequenceScorer):
    """Values of each frame, or of each and the one before; the first and last are left out."""

    derived = (J_AND_F,)

    def _begin(self) -> None:
        self._values: list[list[float | None]] = []
        self._last: MaskPair | None = None

    def measure(self, prediction: np.ndarray, ground_truth: np.ndarray) -> _Frame:
        mask, truth = to_mask(prediction, self.settings.threshold), to_foreground(ground_truth)
        check_same_size(mask, truth)
        if mask is prediction or truth is ground_truth:  # kept for the next, so not the caller's
            mask, truth = mask.copy(), truth.copy()
        pair = MaskPair(mask, truth)
        return _Frame(pair, [None if m.of_change else m.compute(pair) for m in self.measures])

    def _add(self, measurement: _Frame) -> None:
        last, self._last = self._last, measurement.pair
        values = measurement.values
        for place, measure in enumerate(self.measures):
            if measure.of_change and last is not None:
                values[place] = measure.compute(last, self._last)
        self._values.append(values)

    def _result(self) -> SequenceResult:
        total = len(self.frames)
        if total < 3:
            raise InputError(
                f"{self.name}: {total} frame(s) with ground truth, and davis16 leaves out the "
                "first and the last",
                "give at least 3, or choose the protocol saliency",
            )
        columns = list(zip(*self._values, strict=True))
        figures: Figures = {}
        for measure, values in zip(self.measures, columns, strict=True):
            figures |= measure.figures_of(values[1:-1])
        return self._made(
            with_j_and_f(figures),
            {m.name: values for m, values in zip(self.measures, columns, strict=True)},
            [0 < i < total - 1 for i in range(total)],
        )

    @staticmethod
    def overall(measures: Sequence[Measure], sequences: Sequence[SequenceResult]) -> Figures:
        """Means over sequences, every one weighing the same."""
        return mean_figures([sequence.figures for sequence in sequences])


def with_j_and_f(figures: Figures) -> Figures:
    """The same after J&F, the mean of the means of J and F."""
    return {J_AND_F.name: (figures["J_mean"] + figures["F_mean"]) / 2, **figures}
