"""What scoring yields: figures of a sequence and of a whole set, and their statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Figures = dict[str, float]
"""Named figures, fractions of 1; docs/metrics.md says what each name means."""


@dataclass(frozen=True)
class SequenceResult:
    """The score of one sequence.

    Attributes:
        name: of the sequence.
        size: ``(width, height)`` of its frames in pixels.
        num_frames: how many frames the figures rest on.
        figures: of the whole sequence.
        per_frame: lists of one entry a frame with ground truth, in order: ``frame`` (names),
            ``counted`` (whether the figures rest on it) and one list a measure, None where a
            measure is not defined.
        missing: frames without a prediction, which were counted as empty.
        pooled: what the overall figures need besides; no part of the JSON.
    """

    name: str
    size: tuple[int, int]
    num_frames: int
    figures: Figures
    per_frame: Mapping[str, Sequence[Any]]
    missing: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    pooled: Any = field(default=None, repr=False)


@dataclass(frozen=True)
class Result:
    """The scores of a set of sequences under one protocol."""

    protocol: str
    overall: Figures
    sequences: tuple[SequenceResult, ...]

    @property
    def num_frames(self) -> int:
        """How many frames the figures rest on."""
        return sum(sequence.num_frames for sequence in self.sequences)


def statistics(name: str, values: Sequence[float] | np.ndarray) -> Figures:
    """Mean, recall and decay of a sequence's per-frame ``values``, as the DAVIS kit has them.

    Recall is the share of frames above one half; decay what the mean of the first quarter of the
    frames is above that of the last. (The kit keeps frame numbers in 8 bits, so that its decay is
    wrong past 256 frames; not so here.)

    >>> statistics("J", [1.0, 0.75, 0.25, 0.0])
    {'J_mean': 0.5, 'J_recall': 0.5, 'J_decay': 0.75}
    """
    array = np.asarray(values, np.float64)
    edges = np.round(np.linspace(1, len(array), 5) + 1e-10).astype(int) - 1
    first, last = array[edges[0] : edges[1] + 1], array[edges[3] : edges[4] + 1]
    return {
        f"{name}_mean": float(array.mean()),
        f"{name}_recall": float((array > 0.5).mean()),
        f"{name}_decay": float(first.mean() - last.mean()),
    }


def mean_over_sequences(sequences: Sequence[SequenceResult]) -> Figures:
    """Each figure's mean over the sequences, every sequence weighing the same."""
    names = sequences[0].figures
    return {name: float(np.mean([s.figures[name] for s in sequences])) for name in names}
