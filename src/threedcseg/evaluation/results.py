"""What scoring yields: figures of a sequence and of a whole set."""

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
        figures: of the whole sequence.
        frames: names of the frames with ground truth, in order.
        counted: for each, whether the figures rest on it.
        per_frame: for each measure a value a frame, None where it is not defined.
        missing: frames without a prediction, which were counted as empty.
        objects: of numbered objects, each one's number, its proposal's, and its figures.
        pooled: what the overall figures need besides; no part of the record.
    """

    name: str
    size: tuple[int, int]
    figures: Figures
    frames: tuple[str, ...]
    counted: tuple[bool, ...]
    per_frame: Mapping[str, Sequence[float | None]]
    missing: tuple[str, ...] = ()
    objects: tuple[Figures, ...] = ()
    pooled: Any = field(default=None, repr=False)

    @property
    def num_frames(self) -> int:
        """How many frames the figures rest on."""
        return sum(self.counted)


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


def mean_figures(figures: Sequence[Figures]) -> Figures:
    """Each figure's mean, all weighing the same."""
    return {name: float(np.mean([f[name] for f in figures])) for name in figures[0]}
