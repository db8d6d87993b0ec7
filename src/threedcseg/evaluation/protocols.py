"""The named protocols: everything that decides a figure besides the predictions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from threedcseg.evaluation.masks import MaskScorer
from threedcseg.evaluation.objects import ObjectScorer
from threedcseg.evaluation.pooled_pixels import PooledScorer
from threedcseg.evaluation.results import Figures, SequenceResult
from threedcseg.evaluation.scorer import ScoringSettings, SequenceScorer
from threedcseg.evaluation.soft_maps import MapScorer
from threedcseg.metrics.boundary import F
from threedcseg.metrics.figure import Figure
from threedcseg.metrics.flicker import FLICKER
from threedcseg.metrics.measure import Measure
from threedcseg.metrics.pooled import F1, F1_MAX, MAE_HARD, POOLED_MAE
from threedcseg.metrics.region import MEAN_J, J
from threedcseg.metrics.saliency import ADAPTIVE_E, ADAPTIVE_F, E_CURVE, F_CURVE, MAE, WEIGHTED_F, S

Foreground = Literal["zero", "half", "labels"]
"""Which pixels of a ground-truth file are foreground: all but "zero", those above "half" the range
(labels: all but 0), or "labels", kept as numbered objects."""


@dataclass(frozen=True)
class EvaluationProtocol:
    """How sequences are scored.

    Attributes:
        name: what it is called, in every result.
        summary: a line for the help.
        frames: which frames count, in words.
        averaging: what the overall figures are means of, in words.
        binarisation: how maps become masks, with ``{threshold}`` and ``{normalisation}`` to fill.
        foreground: which pixels of a ground-truth file are foreground.
        data: the kind of data set (a key of `datasets.registry.KINDS`) that belongs to it.
        measures: what is measured of every frame.
        scored_by: how the values of frames become figures.
        chief: the figure that sequences are compared by.
        ranked_by: the measure that says which frames are good.
        every_frame: whether all frames need ground truth.
    """

    name: str
    summary: str
    frames: str
    averaging: str
    binarisation: str
    foreground: Foreground
    data: str | None
    measures: tuple[Measure, ...]
    scored_by: type[SequenceScorer]
    chief: str
    ranked_by: str = "J"
    every_frame: bool = False

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All figures, in the order of tables."""
        return (*self.scored_by.derived, *(f for m in self.measures for f in m.figures))

    def scorer(self, name: str, settings: ScoringSettings | None = None) -> SequenceScorer:
        """A scorer of the sequence of that name."""
        return self.scored_by(name, self.measures, settings)

    def overall(self, sequences: Sequence[SequenceResult]) -> Figures:
        """From the results of sequences to the figures of all."""
        return self.scored_by.overall(self.measures, sequences)

    def describe_binarisation(self, settings: ScoringSettings) -> str:
        """How maps become masks, in words."""
        normalisation = "stretched to [0, 1] frame by frame" if settings.normalise else "as given"
        return self.binarisation.format(threshold=settings.threshold, normalisation=normalisation)


_SALIENCY = EvaluationProtocol(
    name="saliency",
    summary="MAE, F (beta^2 = 0.3), weighted F, S, E; J; all frames",
    frames="all with ground truth",
    averaging="frames",
    binarisation="maps {normalisation}; 256 thresholds (max, mean) and twice the mean "
    "(adaptive); J: p > {threshold}",
    foreground="half",
    data=None,
    measures=(MAE, F_CURVE, ADAPTIVE_F, WEIGHTED_F, S, E_CURVE, ADAPTIVE_E, MEAN_J),
    scored_by=MapScorer,
    chief="S",
)
_SPARSE = replace(_SALIENCY, summary="the same on sparse ground truth", frames="the annotated ones")

PROTOCOLS: dict[str, EvaluationProtocol] = {
    protocol.name: protocol
    for protocol in (
        EvaluationProtocol(
            name="davis16",
            summary="J, F, flicker; the first and last frame of a sequence are left out",
            frames="all but the first and the last of each sequence",
            averaging="sequences",
            binarisation="p > {threshold}",
            foreground="zero",
            data="davis16",
            measures=(J, F, FLICKER),
            scored_by=MaskScorer,
            chief="J&F",
            every_frame=True,
        ),
        EvaluationProtocol(
            name="davis2017-unsupervised",
            summary="numbered objects, up to 20 proposals matched to them; all frames",
            frames="all",
            averaging="objects, matched to at most 20 proposals a sequence",
            binarisation="none: numbered objects; void (255) ignored",
            foreground="labels",
            data="davis17-unsupervised",
            measures=(J, F),
            scored_by=ObjectScorer,
            chief="J&F",
            every_frame=True,
        ),
        _SALIENCY,
        replace(
            _SPARSE,
            name="fbms",
            frames="the annotated ones, about every 20th",
            foreground="zero",
            data="fbms",
        ),
        replace(_SPARSE, name="visal", data="visal"),
        EvaluationProtocol(
            name="3dc-seg-published",
            summary="the paper's Table 5: F (beta^2 = 1) and MAE, all pixels in one pool",
            frames="all with ground truth, in one pool of pixels",
            averaging="pixels",
            binarisation="every threshold (F1_max); p > {threshold} (F1, MAE_hard)",
            foreground="zero",
            data=None,
            measures=(F1_MAX, POOLED_MAE, F1, MAE_HARD),
            scored_by=PooledScorer,
            chief="F1_max",
            ranked_by="F1",
        ),
    )
}
