"""Scores of binary masks: J and F of every frame, as the DAVIS 2016 benchmark has them."""

from typing import NamedTuple

import numpy as np

from threedcseg.errors import InputError
from threedcseg.metrics.boundary import boundary_f_measure
from threedcseg.metrics.maps import THRESHOLD, to_foreground, to_mask
from threedcseg.metrics.region import region_similarity
from threedcseg.metrics.results import SequenceResult, statistics
from threedcseg.metrics.scorer import SequenceScorer, check_same_size


class _Frame(NamedTuple):
    region: float
    boundary: float


class MaskScorer(SequenceScorer):
    """J and F; the first and the last frame are left out of the figures."""

    def __init__(self, name: str, threshold: float = THRESHOLD) -> None:
        super().__init__(name)
        self._threshold = threshold
        self._region: list[float] = []
        self._boundary: list[float] = []

    def measure(self, prediction: np.ndarray, ground_truth: np.ndarray) -> _Frame:
        check_same_size(prediction, ground_truth)
        mask, truth = to_mask(prediction, self._threshold), to_foreground(ground_truth)
        return _Frame(region_similarity(mask, truth), boundary_f_measure(mask, truth))

    def _add(self, measurement: _Frame) -> None:
        self._region.append(measurement.region)
        self._boundary.append(measurement.boundary)

    def result(self) -> SequenceResult:
        size, total = self._size(), len(self.frames)
        if total < 3:
            raise InputError(
                f"{self.name}: {total} frame(s) with ground truth, and davis16 leaves out the "
                "first and the last: give at least 3, or choose the protocol saliency"
            )
        figures = {
            "J&F": 0.0,
            **statistics("J", self._region[1:-1]),
            **statistics("F", self._boundary[1:-1]),
        }
        figures["J&F"] = (figures["J_mean"] + figures["F_mean"]) / 2
        return SequenceResult(
            name=self.name,
            size=size,
            num_frames=total - 2,
            figures=figures,
            per_frame={
                "frame": self.frames,
                "counted": [0 < i < total - 1 for i in range(total)],
                "J": self._region,
                "F": self._boundary,
            },
            missing=tuple(self.missing),
        )
