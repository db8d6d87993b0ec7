"""Scores of numbered objects: the DAVIS 2017 unsupervised protocol.

A submission numbers its proposals 1 to 20, the same number for the same object throughout a
sequence. Proposals and annotated objects are matched one to one over the whole sequence so that
the sum of their mean J&F is the largest; what stays unmatched costs nothing. Pixels that the ground
truth marks as void (255) count in neither. All frames count. Figures are means over objects.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from threedcseg.errors import InputError
from threedcseg.evaluation.masks import J_AND_F, with_j_and_f
from threedcseg.evaluation.results import Figures, SequenceResult, mean_figures
from threedcseg.evaluation.scorer import SequenceScorer, check_same_size
from threedcseg.metrics.boundary import Outline, agreement, boundary_tolerance
from threedcseg.metrics.measure import Measure
from threedcseg.metrics.region import region_similarity

VOID = 255
MAX_PROPOSALS = 20


class _Frame(NamedTuple):
    """J and F of every pair in a frame, ``(1 + proposals, 1 + objects)``; first of each is none."""

    proposals: list[int]
    objects: list[int]
    highest: int
    scores: np.ndarray  # (2, 1 + proposals, 1 + objects)


class ObjectScorer(SequenceScorer):
    """J and F, in this order, of numbered objects, matched when the sequence is over.

    Arrays are labels, ``(H, W)`` bool or integers: 0 background, 1 to 20 objects, in the ground
    truth 255 void. The objects of a sequence are those up to the highest number in its first frame,
    as in the kit.
    """

    derived = (J_AND_F,)

    def _begin(self) -> None:
        self._measured: list[_Frame] = []

    def measure(self, prediction: np.ndarray, ground_truth: np.ndarray) -> _Frame:
        check_same_size(prediction, ground_truth)
        for labels in (prediction, ground_truth):
            if labels.ndim != 2 or labels.dtype.kind not in "bui":
                raise InputError(
                    f"labels {labels.shape} {labels.dtype}, expected (H, W) integers",
                    "give object numbers, not probabilities",
                )
        highest = int(prediction.max(initial=0))
        if highest > MAX_PROPOSALS:
            raise InputError(
                f"object number {highest} is above {MAX_PROPOSALS}, the most proposals that count",
                "number the objects from 1",
            )
        void = ground_truth == VOID
        proposals, objects = _numbers(prediction, void), _numbers(ground_truth, void)
        tolerance = boundary_tolerance(void.shape)
        masks = [_mask(prediction, number, void) for number in proposals]
        truths = [_mask(ground_truth, number, void) for number in objects]
        outlines = [Outline.of(mask, tolerance) for mask in masks]
        true_outlines = [Outline.of(truth, tolerance) for truth in truths]
        region = [[region_similarity(mask, truth) for truth in truths] for mask in masks]
        boundary = [[agreement(ours, theirs) for theirs in true_outlines] for ours in outlines]
        return _Frame(proposals, objects, highest, np.array([region, boundary]))

    def _add(self, measurement: _Frame) -> None:
        self._measured.append(measurement)

    def _result(self) -> SequenceResult:
        frames = self._measured
        num_objects = max(frames[0].objects)
        if num_objects == 0:
            raise InputError(
                f"{self.name}/{self.frames[0]}: the ground truth of the first frame has no object",
                "leave the sequence out",
            )
        num_proposals = max(num_objects, *(frame.highest for frame in frames))
        scores = np.stack([_spread(frame, num_proposals, num_objects) for frame in frames], axis=-1)
        proposals, columns = linear_sum_assignment(-scores.mean(axis=(0, 3)))
        order = np.argsort(columns)
        matched = scores[:, proposals[order], columns[order]]  # (2, objects, T)
        figures = [self._figures(matched[:, k]) for k in range(num_objects)]
        names = [measure.name for measure in self.measures]
        per_frame = dict(zip(names, matched.mean(axis=1).tolist(), strict=True))
        objects = tuple(
            {"object": k + 1, "proposal": int(proposals[order][k]) + 1, **figures[k]}
            for k in range(num_objects)
        )
        return self._made(mean_figures(figures), per_frame, objects=objects)

    def _figures(self, values: np.ndarray) -> Figures:
        """Of an object, from ``(2, T)`` values."""
        figures: Figures = {}
        for measure, of_frames in zip(self.measures, values, strict=True):
            figures |= measure.figures_of(of_frames)
        return with_j_and_f(figures)

    @staticmethod
    def overall(measures: Sequence[Measure], sequences: Sequence[SequenceResult]) -> Figures:
        """Means over all objects of all sequences, every object weighing the same."""
        names = sequences[0].figures
        objects = [entry for sequence in sequences for entry in sequence.objects]
        return mean_figures([{name: entry[name] for name in names} for entry in objects])


def _numbers(labels: np.ndarray, void: np.ndarray) -> list[int]:
    """The numbers of objects with a pixel that is not void, after a 0 for no object at all."""
    return [0, *(int(n) for n in np.unique(labels[~void]) if n != 0)]


def _mask(labels: np.ndarray, number: int, void: np.ndarray) -> np.ndarray:
    return (labels == number) & ~void if number else np.zeros(labels.shape, bool)


def _spread(frame: _Frame, num_proposals: int, num_objects: int) -> np.ndarray:
    """``(2, num_proposals, num_objects)``: the scores of all pairs, absent ones as empty masks."""
    rows = [_place(n, frame.proposals) for n in range(1, num_proposals + 1)]
    columns = [_place(n, frame.objects) for n in range(1, num_objects + 1)]
    return frame.scores[:, rows][:, :, columns]


def _place(number: int, numbers: list[int]) -> int:
    return numbers.index(number) if number in numbers else 0
