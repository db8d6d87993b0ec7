"""What may be written of a segmented video; `3dcseg segment --write` chooses. Imports no torch."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from threedcseg.errors import InputError
from threedcseg.outputs.annotations import (
    AnnotationWriter,
    check_coco,
    open_boxes,
    open_coco,
    open_cvat,
)
from threedcseg.outputs.cutout import GREEN, check_background, cut_out, open_background, with_alpha
from threedcseg.outputs.overlay import overlay
from threedcseg.outputs.palette import PaletteWriter, label_map
from threedcseg.outputs.tracking import TrackedObject
from threedcseg.video.encoder import H264, PRORES_4444, VP9_ALPHA, VideoFormat
from threedcseg.video.reader import Frame, FrameSource
from threedcseg.video.writer import (
    NO_ALPHA_IN_MP4,
    MaskWriter,
    ProbabilityWriter,
    VideoWriter,
    to_levels,
)

Edges = Literal["hard", "soft"]
"""What matte, cut-out and alpha are made from: the masks (hard), or the probabilities (soft), of
which 5 % and less are transparent, 95 % and more opaque, since no network is ever quite certain."""
SOFT_LEVELS = to_levels((np.arange(256) / 255 - 0.05) / 0.9)


@dataclass(frozen=True)
class Look:
    """How matte, cut-out and alpha look.

    ``background`` stands behind the cut-out: a colour, an image, a video or a folder of frames.
    """

    edges: Edges = "hard"
    background: str = GREEN

    def check(self) -> None:
        """Raise `InputError` for values that cannot work."""
        if self.edges not in get_args(Edges):
            raise InputError(f"unknown edges {self.edges!r}: choose hard or soft")
        check_background(self.background)


@dataclass(frozen=True, eq=False)
class SegmentedFrame:
    """One frame and all that is known of it.

    Attributes:
        frame: as it was read.
        probabilities: ``(H, W)`` float32 in [0, 1].
        mask: ``(H, W)`` bool.
        objects: its connected objects; empty unless a product of `OF_OBJECTS` is written.
    """

    frame: Frame
    probabilities: np.ndarray
    mask: np.ndarray
    objects: Sequence[TrackedObject] = field(default_factory=tuple)

    def alpha(self, edges: Edges) -> np.ndarray:
        """``(H, W)`` uint8, 255 where the object is."""
        if edges == "soft":
            return SOFT_LEVELS[to_levels(self.probabilities)]
        return np.where(self.mask, np.uint8(255), np.uint8(0))


Sink = Callable[[SegmentedFrame], None]
Product = Callable[[Path, FrameSource, Look], AbstractContextManager[Sink]]
"""Opens a product in a folder; the sink takes the frames in order, the files appear at the end."""


@contextmanager
def _masks(folder: Path, source: FrameSource, look: Look) -> Iterator[Sink]:
    with MaskWriter(folder) as writer:
        yield lambda result: writer.write(result.frame.name, result.mask)


@contextmanager
def _probabilities(folder: Path, source: FrameSource, look: Look) -> Iterator[Sink]:
    with ProbabilityWriter(folder / "probabilities") as writer:
        yield lambda result: writer.write(result.frame.name, result.probabilities)


@contextmanager
def _palette(folder: Path, source: FrameSource, look: Look) -> Iterator[Sink]:
    with PaletteWriter(folder / "palette") as writer:
        yield lambda result: writer.write(
            result.frame.name, label_map(result.objects, *result.mask.shape)
        )


def _video(
    name: str, picture: Callable[[SegmentedFrame, Look], np.ndarray], format: VideoFormat = H264
) -> Product:
    """A video whose pictures are each made from one frame."""

    @contextmanager
    def product(folder: Path, source: FrameSource, look: Look) -> Iterator[Sink]:
        with VideoWriter(folder / name, source, format) as writer:
            yield lambda result: writer.write(picture(result, look), result.frame.time)

    return product


@contextmanager
def _cutout(folder: Path, source: FrameSource, look: Look) -> Iterator[Sink]:
    with (
        open_background(look.background, source.height, source.width) as background,
        VideoWriter(folder / "cutout.mp4", source) as writer,
    ):

        def sink(result: SegmentedFrame) -> None:
            frame = result.frame
            behind = background.at(frame.time)
            writer.write(cut_out(frame.image, result.alpha(look.edges), behind), frame.time)

        yield sink


def _annotations(
    name: str,
    open_file: Callable[[Path, FrameSource], AbstractContextManager[AnnotationWriter]],
) -> Product:
    @contextmanager
    def product(folder: Path, source: FrameSource, look: Look) -> Iterator[Sink]:
        with open_file(folder / name, source) as writer:
            yield lambda result: writer.write(result.frame, result.objects)

    return product


def _with_alpha(result: SegmentedFrame, look: Look) -> np.ndarray:
    return with_alpha(result.frame.image, result.alpha(look.edges))


PRODUCTS: dict[str, Product] = {
    "masks": _masks,
    "probabilities": _probabilities,
    "palette": _palette,
    "overlay": _video("overlay.mp4", lambda r, look: overlay(r.frame.image, r.mask)),
    "matte": _video("matte.mp4", lambda r, look: r.alpha(look.edges)),
    "cutout": _cutout,
    "alpha.mov": _video("alpha.mov", _with_alpha, PRORES_4444),
    "alpha.webm": _video("alpha.webm", _with_alpha, VP9_ALPHA),
    "coco": _annotations("coco.json", open_coco),
    "cvat": _annotations("cvat.xml", open_cvat),
    "boxes": _annotations("boxes.csv", open_boxes),
}
OF_OBJECTS = frozenset(["palette", "coco", "cvat", "boxes"])


def parse_products(text: str) -> tuple[str, ...]:
    """Names with commas between to products, each once; `InputError` for what there is not.

    >>> parse_products("masks,alpha.mov")
    ('masks', 'alpha.mov')
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    check_products(names)
    return names


def check_products(names: Sequence[str]) -> None:
    """Raise `InputError` unless all are names of products that can be written here."""
    if not names:
        raise InputError(f"nothing to write: name one or more of {', '.join(PRODUCTS)}")
    for name in names:
        if name.partition(".")[0] == "alpha" and name not in PRODUCTS:
            raise InputError(
                f"cannot write {name!r}: {NO_ALPHA_IN_MP4}"
                if name == "alpha.mp4"
                else f"cannot write {name!r}: write alpha.mov (ProRes 4444, for editors) or "
                "alpha.webm (VP9, for browsers)"
            )
        if name not in PRODUCTS:
            raise InputError(f"cannot write {name!r}: choose from {', '.join(PRODUCTS)}")
    if "coco" in names:
        check_coco()
