"""Scores of binary masks: J, F and flicker, as the DAVIS 2016 benchmark counts frames."""

from typing import NamedTuple

import numpy as np

from threedcseg.errors import InputError
from threedcseg.evaluation.results import SequenceResult, statistics
from threedcseg.evaluation.scorer import SequenceScorer, check_same_size
from threedcseg.metrics.boundary import (
    Outline,
    Window,
    agreement,
    boundary_tolerance,
    hull,
    window_of,
)
from threedcseg.metrics.flicker import flicker
from threedcseg.metrics.maps import THRESHOLD, to_foreground, to_mask
from threedcseg.metrics.region import region_similarity


class _Frame(NamedTuple):
    region: float
    boundary: float
    mask: np.ndarray
    truth: np.ndarray
    window: Window | None


class MaskScorer(SequenceScorer):
    """J and F of each frame, flicker of each pair; the first and last frame are left out."""

    def __init__(self, name: str, threshold: float = THRESHOLD) -> None:
        super().__init__(name)
        self._threshold = threshold
        self._region: list[float] = []
        self._boundary: list[float] = []
        self._flicker: list[float | None] = []
        self._last: _Frame | None = None

    def measure(self, prediction: np.ndarray, ground_truth: np.ndarray) -> _Frame:
        mask, truth = to_mask(prediction, self._threshold), to_foreground(ground_truth)
        check_same_size(mask, truth)
        if mask is prediction or truth is ground_truth:  # kept for flicker, so not the caller's
            mask, truth = mask.copy(), truth.copy()
        window = window_of(mask, truth)
        if window is None:
            return _Frame(1.0, 1.0, mask, truth, None)
        tolerance = boundary_tolerance(mask.shape)
        inside = np.ascontiguousarray(mask[window]), np.ascontiguousarray(truth[window])
        ours, theirs = (Outline.of(m, tolerance) for m in inside)
        return _Frame(region_similarity(*inside), agreement(ours, theirs), mask, truth, window)

    def _add(self, measurement: _Frame) -> None:
        self._region.append(measurement.region)
        self._boundary.append(measurement.boundary)
        last, self._last = self._last, measurement
        change = None
        if last is not None:
            change = flicker(
                (last.mask, measurement.mask),
                (last.truth, measurement.truth),
                window=hull(last.window, measurement.window),
            )
        self._flicker.append(change)

    def result(self) -> SequenceResult:
        size, total = self.size, len(self.frames)
        if total < 3:
            raise InputError(
                f"{self.name}: {total} frame(s) with ground truth, and davis16 leaves out the "
                "first and the last: give at least 3, or choose the protocol saliency"
            )
        figures = {
            "J&F": 0.0,
            **statistics("J", self._region[1:-1]),
            **statistics("F", self._boundary[1:-1]),
            "flicker": float(np.mean(np.array(self._flicker[1:-1], np.float64))),
        }
        figures["J&F"] = (figures["J_mean"] + figures["F_mean"]) / 2
        return SequenceResult(
            name=self.name,
            size=size,
            num_frames=total - 2,
            figures=figures,
            per_frame={
                "frame": tuple(self.frames),
                "counted": tuple(0 < i < total - 1 for i in range(total)),
                "J": tuple(self._region),
                "F": tuple(self._boundary),
                "flicker": tuple(self._flicker),
            },
            missing=tuple(self.missing),
        )
