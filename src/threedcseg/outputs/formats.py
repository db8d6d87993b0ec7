"""The formats that `3dcseg segment --write` can write, each declared once; imports no torch.

A module of this package declares its format with `output_format`, and that is all there is to do:
the help, the demo, the record of a run and the clearing of earlier results follow from it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from threedcseg.errors import InputError
from threedcseg.extras import not_installed
from threedcseg.outputs.edges import feathered, grown, hard_alpha, soft_alpha
from threedcseg.outputs.foreground import foreground_colors
from threedcseg.outputs.matting import Matting
from threedcseg.outputs.regions import TrackedObject, nearest_number, number_map, objects_of
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.encoder import MP4, VideoFormat
from threedcseg.video.frame import Frame, FrameSource
from threedcseg.video.writer import VideoWriter

DEFAULT = "masks"
FRAME = "*"
"""Stands for the name of a frame among the files of a format."""
EVERY_OPTION = tuple(each.name for each in fields(Rendering))
RIM = 16  # pixels around the object in which its colours are of use: codecs and scaling mix them


@dataclass(frozen=True, eq=False)
class SegmentedFrame:
    """One frame and all that is known of it.

    Attributes:
        frame: as it was read.
        probabilities: ``(H, W)`` float32 in [0, 1].
        mask: ``(H, W)`` bool.
        objects: its connected objects; empty unless a format that needs them is written.
        make_alpha: makes `alpha` when it is asked for.
    """

    frame: Frame
    probabilities: np.ndarray
    mask: np.ndarray
    objects: Sequence[TrackedObject] = field(default_factory=tuple)
    make_alpha: Callable[[], np.ndarray] | None = None

    @cached_property
    def picture(self) -> np.ndarray:
        """``(H, W, 3)`` RGB: uint16 where the source has more than 8 bits, else uint8."""
        return self.frame.image if self.frame.deep is None else self.frame.deep()

    @cached_property
    def alpha(self) -> np.ndarray:
        """``(H, W)`` uint8, 255 for the object: the mask, unless `make_alpha` makes another."""
        return hard_alpha(self.mask) if self.make_alpha is None else self.make_alpha()

    @cached_property
    def colors(self) -> np.ndarray:
        """The `picture` with the object's own colours where alpha is between, and around it."""
        return foreground_colors(self.picture, self.alpha, RIM)


class Renderer:
    """Makes of each frame what the formats take, as ``rendering`` says.

    What goes from frame to frame is kept here: the alpha of mattes.
    """

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering
        self._matting = Matting()

    def next(self, found: SegmentedFrame, begins_shot: bool) -> SegmentedFrame:
        """The next frame, which comes as it was predicted."""
        rendering, frame, objects = self._rendering, found.frame, found.objects
        probabilities, mask = (
            grown(each, rendering.grow) for each in (found.probabilities, found.mask)
        )
        if rendering.grow and objects:
            nearest = nearest_number(number_map(objects, *mask.shape))
            objects = objects_of(np.where(mask, nearest, 0))

        def alpha() -> np.ndarray:
            if rendering.edges == "matte":  # finds the edge of the picture, which is then moved
                made = self._matting.next(frame.image, found.probabilities, begins_shot)
                made = grown(made, rendering.grow)
            else:
                made = soft_alpha(probabilities) if rendering.edges == "soft" else hard_alpha(mask)
            return feathered(made, rendering.feather)

        return SegmentedFrame(frame, probabilities, mask, objects, alpha)


Sink = Callable[[SegmentedFrame], None]
"""Takes the frames in order."""
Picture = Callable[[SegmentedFrame, Rendering], np.ndarray]
"""Makes of a frame ``(H, W)`` gray, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA, uint8 or uint16."""
Open = Callable[[Path, FrameSource, Rendering], AbstractContextManager[Sink]]
"""Opens a format's file, or the folder of its images; files appear at the end, when whole."""


@dataclass(frozen=True)
class Format:
    """A format, as its module declares it.

    Attributes:
        name: what ``--write`` calls it.
        files: what it writes in the folder of a video: ``overlay.mp4``, or ``palette/*.png``, an
            image for each frame, ``*`` being the frame's name.
        summary: one line on what it is.
        open: opens the first of ``files`` (for images, their folder) for the frames of a source.
        needs_objects: whether frames must come with their connected objects.
        drawn_by: names of the rendering options that decide what is in it (default: all); ``grow``,
            which is of every format, among them.
        extra: the extra of this package that brings ``module``, without which it cannot be written.
    """

    name: str
    files: tuple[str, ...]
    summary: str
    open: Open
    needs_objects: bool = False
    drawn_by: tuple[str, ...] = EVERY_OPTION
    extra: str | None = None
    module: str | None = None

    @property
    def is_images(self) -> bool:
        """Whether it is an image for each frame."""
        return FRAME in self.files[0]

    def open_in(
        self, folder: Path, source: FrameSource, rendering: Rendering
    ) -> AbstractContextManager[Sink]:
        """Opens it in the folder of a video."""
        path = folder / self.files[0]
        return self.open(path.parent if self.is_images else path, source, rendering)

    @property
    def is_installed(self) -> bool:
        """Whether what it needs is there."""
        return self.module is None or find_spec(self.module) is not None


FORMATS: dict[str, Format] = {}
"""All formats by name; `output_format` enters them."""
ABSENT: dict[str, tuple[str, str]] = {}
"""Formats by name that this machine has no encoder for, with why and what to do."""


def output_format(
    name: str,
    *files: str,
    summary: str,
    needs_objects: bool = False,
    drawn_by: tuple[str, ...] = EVERY_OPTION,
    extra: str | None = None,
    module: str | None = None,
) -> Callable[[Open], Open]:
    """Declares the format that the decorated function opens; see `Format`."""

    def declare(open: Open) -> Open:
        drawn = (*drawn_by, "grow")
        FORMATS[name] = Format(name, files, summary, open, needs_objects, drawn, extra, module)
        return open

    return declare


@contextmanager
def open_video_of(
    path: Path,
    source: FrameSource,
    picture: Callable[[SegmentedFrame], np.ndarray],
    encoding: VideoFormat = MP4,
) -> Iterator[Sink]:
    """A video with a picture of each frame, and the source's timing and sound."""
    with VideoWriter(path, source, encoding) as writer:
        yield lambda result: writer.write(picture(result), result.frame.time)


def video_format(
    name: str,
    file: str,
    *,
    summary: str,
    drawn_by: tuple[str, ...] = EVERY_OPTION,
    encoding: VideoFormat = MP4,
) -> Callable[[Picture], Picture]:
    """Declares a video of the pictures that the decorated function makes of each frame."""

    def declare(picture: Picture) -> Picture:
        @output_format(name, file, summary=summary, drawn_by=drawn_by)
        def open(
            path: Path, source: FrameSource, rendering: Rendering
        ) -> AbstractContextManager[Sink]:
            return open_video_of(path, source, lambda result: picture(result, rendering), encoding)

        return picture

    return declare


def parse_outputs(text: str) -> tuple[str, ...]:
    """Names of formats with commas between, each once; `InputError` for what there is not.

    >>> parse_outputs("masks,alpha.mov")
    ('masks', 'alpha.mov')
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    check_outputs(names)
    return names


def check_outputs(names: Sequence[str]) -> None:
    """Raise `InputError` unless all are names of formats that can be written here."""
    if not names:
        raise InputError("nothing to write", f"name one or more of {', '.join(FORMATS)}")
    for name in names:
        if name in ABSENT:
            why, remedy = ABSENT[name]
            raise InputError(f"cannot write {name}: {why}", remedy)
        if name not in FORMATS:
            stem = name.partition(".")[0]
            like = [f"{f.name} ({f.summary})" for f in FORMATS.values() if f.name.startswith(stem)]
            choice = " or ".join(like) if stem and like else ", ".join(FORMATS)
            raise InputError(f"cannot write {name!r}", f"choose from {choice}")
        if not (wanted := FORMATS[name]).is_installed:
            raise not_installed(wanted.module, wanted.extra or "", name)


def describe_formats() -> str:
    """A line for each format, for the help."""
    lines = []
    for item in FORMATS.values():
        default = " (default)" if item.name == DEFAULT else ""
        lines.append(f"  {item.name:<15}{item.files[0]:<21}{item.summary}{default}")
    return "\n".join(lines)
