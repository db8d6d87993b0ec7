"""Scores of saliency maps: the measures of `saliency`, and J of the binarised map."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from threedcseg.evaluation.results import Figures, SequenceResult
from threedcseg.evaluation.scorer import SequenceScorer, check_same_size
from threedcseg.metrics.maps import THRESHOLD, to_foreground, to_mask
from threedcseg.metrics.region import region_similarity
from threedcseg.metrics.saliency import NUM_THRESHOLDS, SaliencyMeasures, saliency_measures

PER_FRAME = ("MAE", "S", "Fbeta_w", "Fbeta_adaptive", "E_adaptive", "J")


class _Frame(NamedTuple):
    saliency: SaliencyMeasures
    region: float


class _Sums(NamedTuple):
    """Sums over frames of the measures that a frame has one of, and of the two curves."""

    num_frames: int
    measures: np.ndarray
    curves: np.ndarray


class MapScorer(SequenceScorer):
    """Saliency measures of each frame with ground truth; all of them count."""

    def __init__(self, name: str, threshold: float = THRESHOLD, normalise: bool = True) -> None:
        super().__init__(name)
        self._threshold, self._normalise = threshold, normalise
        self._measures: list[list[float]] = []
        self._curves = np.zeros((2, NUM_THRESHOLDS))

    def measure(self, prediction: np.ndarray, ground_truth: np.ndarray) -> _Frame:
        mask, truth = to_mask(prediction, self._threshold), to_foreground(ground_truth)
        check_same_size(mask, truth)
        measures = saliency_measures(prediction, truth, normalise=self._normalise)
        return _Frame(measures, region_similarity(mask, truth))

    def _add(self, measurement: _Frame) -> None:
        m = measurement.saliency
        values = [m.mae, m.s_measure, m.weighted_f, m.adaptive_f, m.adaptive_e, measurement.region]
        self._measures.append(values)
        self._curves += (m.f_curve, m.e_curve)

    def result(self) -> SequenceResult:
        size, measures = self.size, np.array(self._measures)
        sums = _Sums(len(measures), measures.sum(axis=0), self._curves.copy())
        columns = {
            name: tuple(map(float, c)) for name, c in zip(PER_FRAME, measures.T, strict=True)
        }
        return SequenceResult(
            name=self.name,
            size=size,
            num_frames=len(self.frames),
            figures=_figures(sums),
            per_frame={
                "frame": tuple(self.frames),
                "counted": (True,) * len(self.frames),
                **columns,
            },
            missing=tuple(self.missing),
            pooled=sums,
        )


def mean_over_frames(sequences: Sequence[SequenceResult]) -> Figures:
    """The figures of all frames of all sequences, every frame weighing the same."""
    return _figures(
        _Sums(*(sum(parts) for parts in zip(*(s.pooled for s in sequences), strict=True)))
    )


def _figures(sums: _Sums) -> Figures:
    means = dict(zip(PER_FRAME, (sums.measures / sums.num_frames).tolist(), strict=True))
    f_curve, e_curve = sums.curves / sums.num_frames
    return {
        "MAE": means["MAE"],
        "Fbeta_max": float(f_curve.max()),
        "Fbeta_mean": float(f_curve.mean()),
        "Fbeta_adaptive": means["Fbeta_adaptive"],
        "Fbeta_w": means["Fbeta_w"],
        "S": means["S"],
        "E_max": float(e_curve.max()),
        "E_mean": float(e_curve.mean()),
        "E_adaptive": means["E_adaptive"],
        "J_mean": means["J"],
    }
