"""Which of a video's objects are meant: points, boxes or numbers, and what is left of a frame."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from threedcseg.errors import InputError
from threedcseg.outputs.formats import SegmentedFrame
from threedcseg.outputs.regions import nearest_number, number_map
from threedcseg.video.frame import Frame, FrameSource
from threedcseg.video.part import Moment

_FORMS = "give X,Y or X0,Y0,X1,Y1 in pixels, 0.5,0.4 or 50%,40% of the frame, or an object's number"


@dataclass(frozen=True)
class ObjectChoice:
    """Which objects stay: those of ``keep`` (none: all), but for those of ``drop``.

    Each is an object's number (``"2"``), a point (``"120,40"``) or a box (``"X0,Y0,X1,Y1"``), in
    pixels or, with a decimal point or ``%``, shares of the frame; a point or a box may name its
    frame: ``"120,40@#30"``, ``"50%,40%@1.5"`` (seconds), ``"50%,40%@1:02.5"``; else it is the first
    one. A box means what lies in it by at least half.

    ``drop_small`` takes out objects that have, over their whole shot, less than this share of the
    pixels of the largest one.
    """

    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    drop_small: float = 0

    def __bool__(self) -> bool:
        return bool(self.keep or self.drop or self.drop_small)

    def __str__(self) -> str:
        """``keep 1; drop 0.5,0.4; drop small 0.1``, or nothing."""
        parts = [f"keep {text}" for text in self.keep] + [f"drop {text}" for text in self.drop]
        small = [f"drop small {self.drop_small:g}"] if self.drop_small else []
        return "; ".join([*parts, *small])

    def check(self) -> None:
        """Raise `InputError` for what cannot be understood."""
        if not 0 <= self.drop_small < 1:
            raise InputError(f"drop_small {self.drop_small:g}", "give a share below 1, such as 0.1")
        for text in (*self.keep, *self.drop):
            Pick.parse(text)


@dataclass(frozen=True)
class Chosen:
    """The numbers of the objects that were meant; ``keep`` is None where all others stay."""

    keep: tuple[int, ...] | None
    drop: tuple[int, ...]

    def stays(self, track: int) -> bool:
        """Whether the object of this number is wanted."""
        return (self.keep is None or track in self.keep) and track not in self.drop


@dataclass(frozen=True)
class Pick:
    """An object as it was pointed at.

    Attributes:
        text: as it was written.
        track: its number, or None for a place.
        place: x, y or x0, y0, x1, y1.
        shares: whether ``place`` is in shares of the frame and not pixels.
        frame: number of the frame, if it was given so.
        moment: the time, if it was given so; without either, the first frame that is read.
    """

    text: str
    track: int | None = None
    place: tuple[float, ...] = ()
    shares: bool = False
    frame: int | None = None
    moment: Moment | None = None

    @classmethod
    def parse(cls, text: str) -> "Pick":
        """What `ObjectChoice` says may be written."""
        where, at, when = (part.strip() for part in text.partition("@"))
        if not at and re.fullmatch("[0-9]{1,9}", where):
            return cls(text, track=int(where))
        parts = [part.strip() for part in where.split(",")]
        percent = all(part.endswith("%") for part in parts)
        number = re.compile(r"[0-9]+(\.[0-9]*)?" + "%" * percent)
        if len(parts) not in (2, 4) or not all(map(number.fullmatch, parts)):
            raise InputError(f"cannot tell where {text!r} is", _FORMS)
        place = tuple(float(part.removesuffix("%")) / (100 if percent else 1) for part in parts)
        if percent and max(place) > 1:
            raise InputError(f"cannot tell where {text!r} is", _FORMS)
        if len(place) == 4 and not (place[0] < place[2] and place[1] < place[3]):
            raise InputError(
                f"the box {text!r} is empty", "give left, top, right and bottom in this order"
            )
        shares = percent or ("." in where and max(place) <= 1)
        frame = int(when[1:]) if re.fullmatch("#[0-9]{1,9}", when) else None
        is_time = at and frame is None
        moment = Moment.parse(when, f"the time in {text!r},") if is_time else None
        return cls(text, None, place, shares, frame, moment)

    def seconds(self, source: FrameSource) -> Fraction | None:
        """When it is meant for, from the beginning of what is read; about so for a frame."""
        if self.frame is not None:
            return (self.frame - source.extent.first) / source.rate
        if self.moment is None:
            return None
        return self.moment.at(source.rate, None, source.path.name) - source.extent.before

    def is_before(self, frame: Frame, source: FrameSource) -> bool:
        """Whether it is meant for a time before this frame, which is not the first."""
        if self.frame is not None:
            return self.frame < frame.index
        seconds = self.seconds(source)
        return seconds is None or seconds < frame.time

    def in_pixels(self, width: int, height: int) -> tuple[int, ...]:
        """The place, whole pixels; `InputError` where it is outside of the frame."""
        sides = (width, height) * (len(self.place) // 2)
        if self.shares:  # the right edge is the last pixel for a point, its end for a box
            most = [side - 1 if len(sides) == 2 else side for side in sides]
            return tuple(
                min(m, int(value * side))
                for m, value, side in zip(most, self.place, sides, strict=True)
            )
        outside = any(value >= side for value, side in zip(self.place[:2], sides, strict=False))
        if outside:
            raise InputError(
                f"{self.text} is outside of the frame",
                f"x goes from 0 to {width - 1}, y to {height - 1}",
            )
        return tuple(min(int(v), side) for v, side in zip(self.place, sides, strict=True))


class Chooser:
    """Finds the objects that a choice means while the frames pass; `InputError` as soon as it is
    clear that there is none."""

    def __init__(self, choice: ObjectChoice, source: FrameSource) -> None:
        self._choice, self._source = choice, source
        picks = [Pick.parse(text) for text in (*choice.keep, *choice.drop)]
        self._waiting = [pick for pick in picks if pick.track is None]
        self._found = {pick.text: {pick.track} for pick in picks if pick.track is not None}
        self._highest = 0  # number of an object
        self._pixels: dict[int, int] = {}  # of the objects of the shot
        self._small: set[int] = set()
        self._last: SegmentedFrame | None = None
        for pick in self._waiting:
            pick.in_pixels(source.width, source.height)
            seconds = pick.seconds(source)
            if seconds is not None and seconds < 0:
                raise InputError(f"{pick.text} is before the first frame that is read")
            # The length is an estimate: what is not far behind the end is decided there.
            if seconds and source.num_frames and seconds > self._seconds(source.num_frames) + 2:
                raise self._after_the_end(pick, source.num_frames)

    def __call__(self, result: SegmentedFrame, begins_shot: bool) -> None:
        """The next frame, with its objects."""
        if begins_shot:
            self._end_shot()
        for item in result.objects:
            self._pixels[item.track] = self._pixels.get(item.track, 0) + item.area
        self._highest = max([self._highest, *(item.track for item in result.objects)])
        if self._last is not None:  # what is meant is the frame that was shown at the time
            self._settle(lambda pick: pick.is_before(result.frame, self._source))
        self._last = replace(result, frame=replace(result.frame, deep=None))

    def chosen(self) -> Chosen:
        """What was meant, after the last frame."""
        last = self._last
        if last is not None:
            end = last.frame.time + 1 / self._source.rate
            following = replace(last.frame, index=last.frame.index + 1, time=end)
            self._settle(lambda pick: pick.is_before(following, self._source))
        for pick in self._waiting:
            raise self._after_the_end(
                pick, 0 if last is None else last.frame.index + 1 - self._source.extent.first
            )
        for text, numbers in self._found.items():
            if not numbers <= set(range(1, self._highest + 1)):
                there = f"they are 1 to {self._highest}" if self._highest else "there is none"
                raise InputError(f"no object {text}", f"{there}; --objects shows them")
        keep, drop = (
            tuple(sorted({number for text in texts for number in self._found[text]}))
            for texts in (self._choice.keep, self._choice.drop)
        )
        self._end_shot()
        small = self._small - set(keep)  # what was pointed at is wanted, however small
        return Chosen(keep if self._choice.keep else None, tuple(sorted({*drop, *small})))

    def _end_shot(self) -> None:
        least = self._choice.drop_small * max(self._pixels.values(), default=0)
        self._small |= {number for number, pixels in self._pixels.items() if pixels < least}
        self._pixels.clear()

    def _settle(self, is_meant: Callable[[Pick], bool]) -> None:
        assert self._last is not None
        for pick in [pick for pick in self._waiting if is_meant(pick)]:
            self._found[pick.text] = _at(pick, self._last)
            self._waiting.remove(pick)

    def _seconds(self, num_frames: int) -> Fraction:
        return num_frames / self._source.rate

    def _after_the_end(self, pick: Pick, num_frames: int) -> InputError:
        seconds = float(self._seconds(num_frames))
        return InputError(
            f"{pick.text} is after the end", f"{num_frames} frames are read, {seconds:.2f} seconds"
        )


def _at(pick: Pick, result: SegmentedFrame) -> set[int]:
    """The numbers of the objects at a point or in a box; `InputError` where there is none."""
    height, width = result.mask.shape
    place = pick.in_pixels(width, height)
    labels = number_map(result.objects, height, width)
    left, top, right, bottom = place if len(place) == 4 else (*place, place[0] + 1, place[1] + 1)
    inside = labels[top:bottom, left:right]
    found = {
        item.track
        for item in result.objects
        # A point touches the object, a box holds half of it.
        if np.count_nonzero(inside == item.track) >= (1 if len(place) == 2 else item.area / 2)
    }
    if found:
        return found
    kind = "at" if len(place) == 2 else "lies by half in"
    what = f"no object {kind} {pick.text.partition('@')[0]} in frame {result.frame.index}"
    if not result.objects:
        raise InputError(
            f"{what}, nor anywhere in it", "name a frame that shows one (@#30), or see --objects"
        )
    x, y = (left + right - 1) / 2, (top + bottom - 1) / 2
    rows, columns = np.nonzero(labels)
    distances = np.hypot(columns - x, rows - y)
    nearest = int(np.argmin(distances))
    number = int(labels[rows[nearest], columns[nearest]])
    where = _direction(columns[nearest] - x, rows[nearest] - y)
    pixels = max(1, round(float(distances[nearest])))
    away = f"{pixels} pixel{'s' * (pixels != 1)} {where}{' of its middle' * (len(place) == 4)}"
    raise InputError(f"{what}; nearest", f"object {number}, {away}")


def _direction(right: float, down: float) -> str:
    across = "to the right" if right > 0 else "to the left"
    along = "below" if down > 0 else "above"
    if abs(right) >= 2 * abs(down):
        return across
    return along if abs(down) >= 2 * abs(right) else f"{along} and {across}"


def only_chosen(result: SegmentedFrame, chosen: Chosen) -> SegmentedFrame:
    """The frame without the objects that are not wanted: their part of the mask and of the
    probabilities is 0. A pixel of no object, the soft border of one or a speck, goes with the
    nearest."""
    stay = [item for item in result.objects if chosen.stays(item.track)]
    if len(stay) == len(result.objects):
        gone = np.full(result.mask.shape, chosen.keep is not None and not stay)
    elif not stay:
        gone = np.ones(result.mask.shape, bool)
    else:
        nearest = nearest_number(number_map(result.objects, *result.mask.shape))
        gone = ~np.isin(nearest, [item.track for item in stay])
    probabilities = np.where(gone, np.float32(0), result.probabilities)
    return replace(result, probabilities=probabilities, mask=result.mask & ~gone, objects=stay)
