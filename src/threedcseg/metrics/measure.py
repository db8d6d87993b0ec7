"""A measure: the value of a frame, and the figures that the values of many frames come to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from threedcseg.metrics.figure import Figure


def mean(values: np.ndarray) -> tuple[float, ...]:
    """The mean of ``(T,)`` values."""
    return (float(np.mean(values)),)


def statistics(values: np.ndarray) -> tuple[float, ...]:
    """Mean, recall and decay of ``(T,)`` values, as the DAVIS kit has them.

    Recall is the share of frames above one half; decay what the mean of the first quarter of the
    frames is above that of the last. (The kit keeps frame numbers in 8 bits, so that its decay is
    wrong past 256 frames; not so here.)

    >>> statistics(np.array([1.0, 0.75, 0.25, 0.0]))
    (0.5, 0.5, 0.75)
    """
    edges = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(int) - 1
    first, last = values[edges[0] : edges[1] + 1], values[edges[3] : edges[4] + 1]
    decay = float(first.mean() - last.mean())
    return float(values.mean()), float((values > 0.5).mean()), decay


@dataclass(frozen=True)
class Measure:
    """What a protocol measures of every frame. It is declared where it is computed.

    Attributes:
        name: of the values of single frames in a result.
        figures: what the values of many frames come to.
        compute: the value of a frame, a number or an array such as a curve. It is given what its
            protocol measures: a `MaskPair` (davis16), a `MapPair` (saliency, fbms, visal) or
            `PixelCounts` (3dc-seg-published).
        summarise: ``(T, ...)`` float64, the values of T frames, to a number for each of
            ``figures``.
        of_change: ``compute`` is given two pairs, of the frame before and of this one; the first
            frame has no value.
        curve: what its curve over time is called in reports; without a name there is none.
    """

    name: str
    figures: tuple[Figure, ...]
    compute: Callable[..., Any]
    summarise: Callable[[np.ndarray], tuple[float, ...]] = mean
    of_change: bool = False
    curve: str = ""

    def figures_of(self, values: ArrayLike) -> dict[str, float]:
        """The figures of ``(T, ...)`` values, by name."""
        numbers = self.summarise(np.asarray(values, np.float64))
        return {figure.name: n for figure, n in zip(self.figures, numbers, strict=True)}


def with_statistics(name: str) -> tuple[Figure, ...]:
    """The figures of a measure that `statistics` summarises."""
    return (
        Figure(f"{name}_mean"),
        Figure(f"{name}_recall"),
        Figure(f"{name}_decay", lower_is_better=True),
    )
