"""The clips of a batch as layers: videos, stills in camera motion, and scenes put together.

Where something moves, that is what is to be segmented, and all that stands with the scene is
background, however much it looks like an object. Only where nothing moves but the camera is a
still's own object meant.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from threedcseg.errors import InputError
from threedcseg.training.clips.appearance import Appearance, Look, look
from threedcseg.training.clips.canvases import Entry
from threedcseg.training.clips.draw import Draw
from threedcseg.training.clips.geometry import (
    CAMERA,
    MOVER,
    Warp,
    crop,
    moving,
    placement,
    shifted,
)
from threedcseg.training.clips.geometry import still as standing
from threedcseg.training.clips.rendering import Layer
from threedcseg.training.clips.stock import Stock
from threedcseg.training.clips.synthesis import WIGGLE, Motion

STRIDES = (1, 2, 3, 4, 6, 6, 6, 8)  # those of the weights that ship


@dataclass(frozen=True)
class Framing:
    """How clips are cut out of their sources.

    ``scale``: rows of a crop, as a share of the most that fit; ``stretch``: change of its shape;
    ``flip``: probability of a mirrored one. Of videos: ``strides`` between frames, in those of the
    source, each as often as it is named; ``reverse``: played backwards; ``camera``: probability of
    camera motion on top, always where the camera stands.
    """

    scale: tuple[float, float] = (0.6, 1.0)
    stretch: float = 0.15
    flip: float = 0.5
    strides: tuple[int, ...] = STRIDES
    reverse: float = 0.5
    camera: float = 0.5
    motion: Motion = CAMERA


@dataclass(frozen=True)
class Composition:
    """What a scene that is put together holds, as probabilities.

    ``videos``: the mover comes from a video, else from a still; ``followed``: the camera goes with
    it; ``late``: it enters late or leaves early; ``companions``: another one moves, too.
    ``twins``: lookalikes of the mover, up to three, stand with the background; ``crowd``: a row of
    its kind does; ``bystanders``: up to two other things; ``wiggle``: of those that stand, the
    share that stirs on the spot. ``occluders``: a thing before it all, nearer to the camera;
    ``lines``: a pole, branch or rope likewise.
    """

    videos: float = 0.4
    followed: float = 0.3
    late: float = 0.25
    companions: float = 0.3
    twins: float = 0.7
    crowd: float = 0.2
    bystanders: float = 0.6
    wiggle: float = 0.4
    occluders: float = 0.25
    lines: float = 0.2


@dataclass(frozen=True)
class Mix:
    """What a batch is made of: so many clips of ``videos``, of ``stills`` in camera motion, and of
    ``scenes`` put together of both.

    ``camera``: how far it moves before stills, as a share of ``framing.motion``.
    """

    videos: int = 0
    stills: int = 0
    scenes: int = 0
    camera: float = 1.0
    framing: Framing = field(default_factory=Framing)
    composition: Composition = field(default_factory=Composition)
    appearance: Appearance = field(default_factory=Appearance)

    @property
    def clips(self) -> int:
        return self.videos + self.stills + self.scenes

    def __post_init__(self) -> None:
        if min(self.videos, self.stills, self.scenes) < 0 or not self.clips:
            raise InputError(
                f"a mix of {self.videos} videos, {self.stills} stills and {self.scenes} scenes",
                "give numbers from 0, and at least one clip",
            )


@dataclass(frozen=True)
class Plan:
    """A clip before it is rendered: ``layers``, the farthest first, ``look`` and ``sources``."""

    layers: tuple[Layer, ...]
    look: Look
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Planner:
    """Draws clips of ``clip_length`` frames of ``size`` (height, width) from a stock."""

    stock: Stock
    clip_length: int
    size: tuple[int, int]
    mix: Mix

    def __post_init__(self) -> None:
        for name, needed, held in (
            ("videos", self.mix.videos, self.stock.videos),
            ("stills", self.mix.stills, self.stock.stills),
            ("scenes", self.mix.scenes, self.stock.things),
        ):
            if needed and not held:
                raise InputError(
                    f"a mix with {name}, but no source of them",
                    "add a source; scenes need stills with whole objects",
                )

    def batch(self, draw: Draw) -> list[Plan]:
        """All clips of a batch: videos, then stills, then scenes."""
        return [
            *(self.video(draw) for _ in range(self.mix.videos)),
            *(self.still(draw) for _ in range(self.mix.stills)),
            *(self.scene(draw) for _ in range(self.mix.scenes)),
        ]

    def video(self, draw: Draw) -> Plan:
        """Frames of a video, as they are or with some camera motion on top."""
        entry = self.stock.video(draw)
        layer = self._footage(draw, entry)
        return Plan((layer,), self._look(draw, moves=True), (entry.name,))

    def still(self, draw: Draw) -> Plan:
        """A still before which the camera moves; its object is meant, for nothing moves."""
        entry = self.stock.still(draw)
        camera = moving(draw, self.clip_length, self.size, self.mix.framing.motion, self.mix.camera)
        layer = self._whole(draw, entry, camera, is_object=True)
        return Plan((layer,), self._look(draw, moves=False), (entry.name,))

    def scene(self, draw: Draw) -> Plan:
        """A scene in which what moves by itself is the object."""
        what, size = self.mix.composition, self.size
        follows = draw.chance(what.followed)
        amount = draw.number(0.5, 1.0) if follows else draw.number(0.05, 1.0)
        camera = moving(draw, self.clip_length, size, CAMERA, amount)
        background = self.stock.still(draw)

        mover, template, seen = self._mover(draw, draw.chance(what.videos), follows)
        movers = [mover]
        if draw.chance(what.companions):
            movers.append(self._companion(draw, template, seen))
        behind = []
        if template is not None and draw.chance(what.twins):
            for _ in range(1 + draw.below(3)):
                height = seen * draw.number(0.7, 1.3)
                behind.append(self._standing(draw, template, camera, self._anywhere(draw), height))
        if draw.chance(what.crowd):
            behind += self._crowd(draw, template, camera)
        if draw.chance(what.bystanders):
            for _ in range(1 + draw.below(2)):
                height = draw.number(0.2, 0.8) * size[0]
                thing = draw.pick(self.stock.things).first
                behind.append(self._standing(draw, thing, camera, self._anywhere(draw), height))
        before = []
        if draw.chance(what.occluders):
            thing, height = draw.pick(self.stock.things).first, draw.number(0.15, 0.5) * size[0]
            near = camera.nearer(draw.number(1.1, 1.8))
            before.append(self._placed(draw, thing, near, self._anywhere(draw), height))
        if draw.chance(what.lines):
            before.append(self._line(draw, camera.nearer(draw.number(1.1, 1.8))))

        layers = [self._whole(draw, background, camera, is_object=False)]
        layers += [behind[i] for i in _order(draw, len(behind))]
        layers += [movers[i] for i in _order(draw, len(movers))]
        layers += before
        used = dict.fromkeys(self._entry(int(layer.pictures[0])).name for layer in layers)
        return Plan(tuple(layers), self._look(draw, moves=True), tuple(used))

    def _look(self, draw: Draw, moves: bool) -> Look:
        return look(draw, self.mix.appearance, self.clip_length, moves)

    def _mover(self, draw: Draw, of_video: bool, follows: bool) -> tuple[Layer, int | None, float]:
        """What moves; a whole picture of it, if there is one; its height in the frame."""
        height, width = self.size
        if of_video and self.stock.videos:
            layer = self._footage(draw, self.stock.video(draw))
            boxes = self.stock.canvases.boxes
            shown = [number for number in layer.pictures.tolist() if boxes[number, 2] > 0]
            if shown:  # else nothing is marked in this part of the video
                picture = draw.pick(shown)
                rows = float(boxes[picture, 2] / layer.warp.scale)
                whole = picture if self.stock.is_whole(picture) else None
                return self._entering(draw, layer), whole, rows
        picture = draw.pick(self.stock.things).first
        tall = draw.number(0.25, 0.95) * height
        centre = (draw.number(0.2, 0.8) * width, draw.number(0.2, 0.8) * height)
        amount = draw.number(0.0, 0.25) if follows else draw.number(0.2, 1.0)
        motion = moving(draw, self.clip_length, self.size, MOVER, amount, centre)
        layer = replace(self._placed(draw, picture, motion, centre, tall), is_object=True)
        return self._entering(draw, layer), picture, tall

    def _companion(self, draw: Draw, template: int | None, seen: float) -> Layer:
        """Another mover, often of the same kind, on a way of its own."""
        thing = draw.pick(self._kind(template)).first
        if template is not None and draw.chance(0.3):
            thing = template
        centre = self._anywhere(draw)
        motion = moving(draw, self.clip_length, self.size, MOVER, draw.number(0.3, 1.0), centre)
        layer = self._placed(draw, thing, motion, centre, seen * draw.number(0.7, 1.3))
        return self._entering(draw, replace(layer, is_object=True))

    def _entering(self, draw: Draw, layer: Layer) -> Layer:
        """Now and then it comes into the frame late, or leaves it early."""
        if self.clip_length < 4 or not draw.chance(self.mix.composition.late):
            return layer
        there = 2 + draw.below(self.clip_length - 2)  # the first frame in which it is where it was
        away = np.maximum(0, 1 - np.arange(self.clip_length) / there)
        side = 1 if draw.chance(0.5) else -1
        way = np.array([side * self.size[1], draw.number(-0.2, 0.2) * self.size[0]])
        if draw.chance(0.5):
            away = away[::-1]
        return replace(layer, warp=shifted(layer.warp, away[:, None] * way))

    def _crowd(self, draw: Draw, template: int | None, camera: Warp) -> list[Layer]:
        """A row of the mover's kind that stands behind it."""
        height, width = self.size
        tall = draw.number(0.2, 0.6) * height
        level = draw.number(0.25, 0.7) * height
        kind = self._kind(template)
        return [
            self._standing(
                draw,
                draw.pick(kind).first,
                camera,
                (draw.number(0, 1) * width, level + draw.number(-0.05, 0.05) * height),
                tall * draw.number(0.8, 1.2),
                depth=1.0,
            )
            for _ in range(4 + draw.below(5))
        ]

    def _standing(
        self,
        draw: Draw,
        picture: int,
        camera: Warp,
        centre: tuple[float, float],
        height: float,
        depth: float | None = None,
    ) -> Layer:
        """A thing that moves as the background does, but for some stirring on the spot."""
        warp = camera.nearer(draw.number(1.0, 1.3) if depth is None else depth)
        if draw.chance(self.mix.composition.wiggle):
            warp = warp.plus(moving(draw, self.clip_length, self.size, WIGGLE, centre=centre))
        return self._placed(draw, picture, warp, centre, height)

    def _placed(
        self, draw: Draw, picture: int, warp: Warp, centre: tuple[float, float], height: float
    ) -> Layer:
        box = tuple(float(side) for side in self.stock.canvases.boxes[picture, :4])
        place = placement(box, centre, height, draw.chance(0.5))  # type: ignore[arg-type]
        return Layer(self._repeated(picture), warp.then(place))

    def _line(self, draw: Draw, warp: Warp) -> Layer:
        """A pole, branch or rope across the frame, with the look of some still."""
        height, width = self.size
        entry = self.stock.still(draw)
        ends = draw.uniform(-0.2, 1.2, 2)
        if draw.chance(0.75):
            one, other = np.array([ends[0] * width, 0]), np.array([ends[1] * width, height])
        else:
            one, other = np.array([0, ends[0] * height]), np.array([width, ends[1] * height])
        along = other - one
        normal = np.array([-along[1], along[0]]) / np.hypot(*along)
        half = 0.5 * width * float(np.exp(draw.number(np.log(0.004), np.log(0.06))))
        look = self._cut(draw, entry)
        inverse = np.linalg.inv(np.vstack([look, [0, 0, 1]]))  # picture to frame
        a, b, c = np.array([*normal, -normal @ one]) @ inverse
        return Layer(
            self._repeated(entry.first), warp.then(look), line=(float(a), float(b), float(c), half)
        )

    def _whole(self, draw: Draw, entry: Entry, camera: Warp, is_object: bool) -> Layer:
        warp = camera.then(self._cut(draw, entry))
        return Layer(self._repeated(entry.first), warp, is_object)

    def _footage(self, draw: Draw, entry: Entry) -> Layer:
        pictures = entry.first + chosen_frames(
            draw, entry.numbers, self.clip_length, self.mix.framing
        )
        camera = standing(self.clip_length)
        if draw.chance(1.0 if entry.static else self.mix.framing.camera):
            amount = draw.number(0.3, 1.0) if entry.static else draw.number(0.1, 0.7)
            camera = moving(draw, self.clip_length, self.size, CAMERA, amount)
        return Layer(pictures, camera.then(self._cut(draw, entry)), is_object=True)

    def _cut(self, draw: Draw, entry: Entry) -> np.ndarray:
        height, width = self.stock.canvases.sizes[entry.first, 0]
        framing = self.mix.framing
        return crop(draw, (height, width), self.size, framing.scale, framing.stretch, framing.flip)

    def _kind(self, template: int | None) -> list[Entry]:
        """Things that look like ``template``'s, or any."""
        group = None if template is None else self._entry(template).group
        alike = self.stock.kinds.get(group or "", [])
        return alike if len(alike) >= 3 else self.stock.things

    def _anywhere(self, draw: Draw) -> tuple[float, float]:
        return draw.number(0, self.size[1]), draw.number(0, self.size[0])

    def _repeated(self, picture: int) -> np.ndarray:
        return np.full(self.clip_length, picture)

    def _entry(self, picture: int) -> Entry:
        return self.stock.entry_of(picture)


def chosen_frames(
    draw: Draw, numbers: np.ndarray, clip_length: int, framing: Framing
) -> np.ndarray:
    """Which of the frames of these ascending ``numbers`` a clip has, ``(clip_length,)`` indices.

    Half of the clips have frames at an even stride, as at inference; the others any frames of the
    same span, in order, as in section 4.2. Strides are those of the source where it has no nearer
    frames, and smaller where it is short: no frame comes twice if there are enough.
    """
    if clip_length == 1:
        return np.array([draw.below(len(numbers))])
    steps, whole = clip_length - 1, int(numbers[-1] - numbers[0])
    nearest = int(np.diff(numbers).min(initial=whole))
    span = min(max(draw.pick(framing.strides), nearest) * steps, whole)
    start = numbers[0] + draw.below(whole - span + 1)
    within = np.flatnonzero((numbers >= start) & (numbers <= start + span))
    if len(within) >= clip_length and draw.chance(0.5):
        chosen = np.sort(within[_order(draw, len(within))[:clip_length]])
    else:
        between = (numbers[1:] + numbers[:-1]) / 2
        chosen = np.searchsorted(between, start + np.arange(clip_length) * (span / steps))
    return chosen[::-1].copy() if draw.chance(framing.reverse) else chosen


def _order(draw: Draw, count: int) -> list[int]:
    return np.argsort(draw.uniform(0, 1, count)).tolist() if count else []
