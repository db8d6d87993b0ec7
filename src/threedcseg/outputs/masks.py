"""Masks and probabilities as an image for each frame."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from threedcseg.outputs.formats import Sink, output_format
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.frame import FrameSource
from threedcseg.video.writer import MaskWriter, ProbabilityWriter


@output_format("masks", "*.png", summary="PNG, 0 and 255, at the source's size", drawn_by=())
@contextmanager
def open_masks(folder: Path, source: FrameSource, rendering: Rendering) -> Iterator[Sink]:
    """See `MaskWriter`."""
    with MaskWriter(folder) as writer:
        yield lambda result: writer.write(result.frame.name, result.mask)


@output_format(
    "probabilities", "probabilities/*.png", summary="PNG, 8 bits, round(255 p)", drawn_by=()
)
@contextmanager
def open_probabilities(folder: Path, source: FrameSource, rendering: Rendering) -> Iterator[Sink]:
    """See `ProbabilityWriter`."""
    with ProbabilityWriter(folder) as writer:
        yield lambda result: writer.write(result.frame.name, result.probabilities)
