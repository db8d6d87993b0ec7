"""Everything that decides a mask besides the weights, each declared once; imports no torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from threedcseg.errors import InputError

if TYPE_CHECKING:
    import numpy as np

VIEWS = ((1.0, False), (0.6, True), (0.6, False), (1.0, True))
"""The views of a clip, the most useful first: size against the clip's, and whether mirrored."""

WINDOWS = "windows and resolution"
POST_PROCESSING = "post-processing (docs/outputs.md)"

Emit = Literal["final", "early"]
Upsampling = Literal["guided", "linear", "nearest"]
Tail = Literal["shift", "repeat-first"]
"""What to do when the frames left at the end do not fill a block (`iter_clips`).

``shift``
    Move the last windows back so that they end at the last frame, no further apart than it takes to
    cover what is left (default). A video shorter than a clip is filled up by repeating its last
    frame.
``repeat-first``
    As the published code does: windows of frames in a row start at 0, step, 2 step, ... for as long
    as the start is a frame, and a window with fewer frames left repeats its first frame in front
    until it is full.
"""


@dataclass(frozen=True)
class Option:
    """Which values a setting takes, and what the command line says of it.

    Numbers go from ``least`` to ``most``, in ``unit``, and stay below ``below``. A setting without
    ``help`` has no option: presets alone change it.
    """

    help: str = ""
    metavar: str = "N"
    group: str = WINDOWS
    least: float = 1
    most: float = math.inf
    below: float = math.inf
    odd: bool = False
    unit: str = ""

    def takes(self, value: float) -> bool:
        odd = value % 2 == 1 or not self.odd
        return odd and self.least <= value <= self.most and value < self.below

    def __str__(self) -> str:
        """What to give instead, such as "16 to 4096 pixels"."""
        limits = f"{self.least:g} to {self.most:g}" if self.most < math.inf else None
        limits = limits or f"{self.least:g} or more"
        limits += f", below {self.below:g}" if self.below < math.inf else ""
        return f"{'an odd number, ' * self.odd}{limits} {self.unit}".rstrip()


@dataclass(frozen=True)
class Settings:
    """Everything that decides a mask besides the weights.

    A field is the only declaration of a setting: its option, help, limits and its place in records
    and exported files are made from it (CONTRIBUTING.md).

    Windows take every ``stride``-th frame, as far as memory allows (`segment`): a clip sees more of
    the video. The tail and short videos are seen less far apart (`iter_clips`).

    ``context`` is how many frames before a clip and after it, a stride apart, a network looks at
    for what moves; only those with a motion stream do. Its further neighbours are then so far
    away. A clip of one frame has none: that frame is seen alone.

    ``emit`` says when a frame is handed out. "final": once no later window can change it, which is
    at most ``(clip_length + context) * stride - 1`` frames after it came in. "early": with the
    first window that covers it, at most ``(clip_length - overlap) * stride - 1`` frames after it
    came in (the delay of section 3.3; 0 when dense, with stride 1), without the later windows'
    share in the average, and without context.

    With the tail policy "shift", the moved windows change only frames not yet handed out.

    ``tta`` (test-time augmentation) is the number of views of each clip that the network sees, from
    1 (off, default) to 4: as it is; with left and right exchanged at 0.6 of the size; so small
    without the exchange; and exchanged at the full size. The logits are averaged: better masks for
    1.4, 1.8 and 2.8 times the work (docs/quality.md).

    With ``shots``, windows begin anew at every hard cut, as at the beginning of a video: no clip
    mixes two scenes (docs/shots.md). Where a cut is suspected, two more frames are awaited.

    With ``skip_repeats``, a frame that hardly differs from the last one gets its mask (`Repeats`),
    unless masks are given early. Delays and frames held are counted in frames that differ then;
    of those that repeat one, there are at most three, fewer where frames are large.

    ``drop_unsure`` drops the regions of a mask, connected, whose probabilities are below it on
    average over the frames so far, edges aside; one always stays, and with 0 all do
    (`drop_unsure` of `threedcseg.inference.postprocessing`).

    ``median`` is a number of frames, odd: each probability becomes the median of those around it
    in time, within the shot, and ``median // 2`` more frames are awaited. ``keep_largest`` is the
    number of connected regions of a mask that stay, ``drop_specks`` the share of the frame below
    which one goes.
    """

    clip_length: Annotated[
        int, Option("frames in a clip, unless the weights say", most=1024, unit="frames")
    ] = 8
    overlap: Annotated[int, Option("frames two clips share", least=0, most=1023, unit="frames")] = 0
    stride: Annotated[
        int,
        Option("a clip takes every N-th frame", most=1000),
    ] = 1
    context: Annotated[
        int,
        Option(
            "frames before and after a clip in which motion is looked for, too, unless early",
            least=0,
            most=256,
            unit="frames",
        ),
    ] = 5
    tta: Annotated[
        int,
        Option(
            "test-time augmentation: views of each clip to average, mirrored and smaller, 1 to 4",
            most=len(VIEWS),
            unit="views",
        ),
    ] = 1
    tail: Annotated[
        Tail,
        Option("the last clip: moved back to end at the last frame, or filled up with its first"),
    ] = "shift"
    emit: Annotated[
        Emit, Option("hand a frame out once final, or early with the first clip to cover it")
    ] = "final"
    short_edge: Annotated[
        int, Option("network resolution", "PIXELS", least=16, most=4096, unit="pixels")
    ] = 288
    multiple: Annotated[int, Option(most=256, unit="pixels")] = 16
    pad: Annotated[bool, Option()] = False
    upsampling: Annotated[
        Upsampling, Option("to the frame's size: with edges that follow the image, or without")
    ] = "guided"
    shots: Annotated[bool, Option("begin anew at every hard cut, or let clips run across cuts")] = (
        True
    )
    skip_repeats: Annotated[
        bool,
        Option("give a frame that repeats the last one its mask, or see it like any, as if early"),
    ] = True
    drop_unsure: Annotated[
        float,
        Option(
            "drop regions whose mean probability is below P, edges aside; 0: none",
            "P",
            POST_PROCESSING,
            least=0,
            below=1,
        ),
    ] = 0.9
    median: Annotated[
        int,
        Option(
            "median over time, of an odd number of frames",
            "FRAMES",
            POST_PROCESSING,
            most=31,
            odd=True,
            unit="frames",
        ),
    ] = 1
    keep_largest: Annotated[
        int | None,
        Option("keep the N largest regions of each mask", "N", POST_PROCESSING, unit="regions"),
    ] = None
    drop_specks: Annotated[
        float,
        Option(
            "drop regions smaller than this share of the frame, such as 0.001",
            "SHARE",
            POST_PROCESSING,
            least=0,
            below=1,
        ),
    ] = 0.0
    threshold: Annotated[float, Option("mask where p > P", "P", least=0, below=1)] = 0.5

    def check(self) -> None:
        """Raise `InputError` for values that cannot work, alone or together."""
        check_values(vars(self))
        if self.overlap >= self.clip_length:
            raise InputError(
                f"overlap {self.overlap} does not fit clips of {self.clip_length} frames",
                f"give a number from 0 to {self.clip_length - 1}",
            )

    def mask(self, probabilities: "np.ndarray") -> "np.ndarray":
        """``(H, W)`` bool: where probabilities are above the threshold, not at it."""
        above: np.ndarray = probabilities > self.threshold
        return above

    @classmethod
    def recommended_by(cls, network: object, preset: str = "default", **given: Any) -> "Settings":
        """What the file of a network recommends, overruled by a preset, then by what is given.

        ``network.recommended`` maps names to values, as `load_model` sets it: the clip length of
        its training above all. Without it, and for what it does not name, defaults count. Where no
        overlap is given, clips shorter than it get as much as fits. Raises `InputError` for values
        that cannot work.
        """
        known = {each.name for each in fields(cls)}
        recommended = getattr(network, "recommended", {})
        values = {name: value for name, value in recommended.items() if name in known}
        values |= {**PRESETS[preset], **given}
        check_values(values)
        settings = cls(**values)
        if "overlap" not in given:
            settings = replace(settings, overlap=min(settings.overlap, settings.clip_length - 1))
        settings.check()
        return settings


def declaration(name: str) -> tuple[type, tuple[str, ...], Option]:
    """The type of a setting's values (None aside), the choices where they are words, the rest."""
    kind, option = get_args(get_type_hints(Settings, include_extras=True)[name])
    if get_origin(kind) is Literal:
        return str, get_args(kind), option
    return (get_args(kind)[0] if isinstance(kind, UnionType) else kind), (), option


def check_values(values: Mapping[str, Any]) -> None:
    """Raise `InputError` for a value that its setting cannot take, whatever the others are."""
    for each in fields(Settings):
        value = values.get(each.name, each.default)
        if value is None and each.default is None:
            continue
        kind, choices, option = declaration(each.name)
        if choices:
            good, remedy = value in choices, f"choose one of {', '.join(choices)}"
        elif kind is bool:
            good, remedy = isinstance(value, bool), "give true or false"
        else:
            number = isinstance(value, int | kind) and not isinstance(value, bool)
            good, remedy = number and option.takes(value), f"give {option}"
        if not good:
            raise InputError(f"{each.name.replace('_', ' ')} {value!r} cannot be used", remedy)


PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "published": {  # what the authors' code does at inference; see DEVIATIONS.md
        "overlap": 3,
        "stride": 1,
        "context": 0,
        "tta": 1,
        "tail": "repeat-first",
        "short_edge": 480,
        "multiple": 32,
        "pad": True,
        "upsampling": "nearest",
        "shots": False,
        "skip_repeats": False,
        "drop_unsure": 0.0,
    },
    # For live input: less delay and less work; clips overlap as in the paper.
    "live": {"overlap": 3, "stride": 1, "tta": 1, "emit": "early", "short_edge": 256},
}
PUBLISHED = Settings(**PRESETS["published"])
LIVE = Settings(**PRESETS["live"])
