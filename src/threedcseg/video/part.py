"""The part of a recording that is read: from when to when."""

import logging
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from threedcseg.errors import InputError
from threedcseg.video.timecode import frames_of

_log = logging.getLogger(__name__)

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)")
_TIMECODE = re.compile(r"\d{1,2}:\d\d:\d\d[:;]\d{2,3}")


@dataclass(frozen=True)
class Moment:
    """A time in seconds from the beginning, or a timecode, of which frames count."""

    seconds: Fraction | None
    timecode: str = ""

    @classmethod
    def parse(cls, text: str, what: str) -> Self:
        """``90``, ``90.5``, ``1:30``, ``00:01:30.500`` or ``00:01:30:12``; `InputError` naming
        ``what`` for anything else.

        >>> Moment.parse("1:30", "start") == Moment.parse("90", "start")
        True
        """
        if _TIMECODE.fullmatch(text):
            return cls(None, text)
        match = _CLOCK.fullmatch(text)
        if match is None:
            raise InputError(
                f"{what} {text!r} is no time", "give seconds, HH:MM:SS.mmm or HH:MM:SS:FF"
            )
        hours, minutes, seconds = (Fraction(number or 0) for number in match.groups())
        return cls(3600 * hours + 60 * minutes + seconds)

    def at(self, rate: Fraction, first_timecode: str | None, shown: str) -> Fraction:
        """Seconds from the beginning of ``shown``, whose frames come at ``rate`` and whose own
        timecode, if it has one, begins with ``first_timecode``."""
        if self.seconds is not None:
            return self.seconds
        count = frames_of(self.timecode, rate)
        if count is None:
            raise InputError(
                f"{self.timecode} is no timecode of {shown}, of {float(rate):g} frames a second",
                f"the last number counts frames, from 0 to {round(rate) - 1}",
            )
        before = frames_of(first_timecode or "", rate) or 0
        if count < before:
            raise InputError(
                f"{self.timecode} is before {shown}, whose timecode begins at {first_timecode}",
                "give a later one, or seconds from its beginning",
            )
        return (count - before) / rate

    def __str__(self) -> str:
        return self.timecode if self.seconds is None else clock(self.seconds)


@dataclass(frozen=True)
class Part:
    """From the frame nearest to ``start`` on, up to the one before that nearest to ``end``; None
    for the beginning and the end of the recording."""

    start: Moment | None = None
    end: Moment | None = None

    @classmethod
    def parse(cls, start: str | None, end: str | None) -> Self | None:
        """What the texts mean, None for the whole; raises `InputError` for no times."""
        if start is None and end is None:
            return None
        part = cls(
            None if start is None else Moment.parse(start, "start"),
            None if end is None else Moment.parse(end, "end"),
        )
        if not any(moment and moment.timecode for moment in (part.start, part.end)):
            part.bounds(Fraction(1), None, "")  # else once the rate is known
        return part

    def bounds(
        self, rate: Fraction, first_timecode: str | None, shown: str
    ) -> tuple[Fraction, Fraction | None]:
        """Both in seconds from the beginning of ``shown``, as for `Moment.at`; ``InputError``
        unless the end is after the start."""
        start = Fraction(0) if self.start is None else self.start.at(rate, first_timecode, shown)
        end = None if self.end is None else self.end.at(rate, first_timecode, shown)
        if end is not None and end <= start:
            raise InputError(
                f"the end {self.end} is not after the start {self.start or clock(start)}",
                "give a later end",
            )
        return start, end

    def __str__(self) -> str:
        """``from 00:01:00.000 to 00:02:00.000``."""
        start = "" if self.start is None else f"from {self.start}"
        return f"{start} to {self.end}".strip() if self.end else start

    def record(self) -> dict[str, str]:
        """What the record of a run says of it."""
        both = {"start": self.start, "end": self.end}
        return {name: str(moment) for name, moment in both.items() if moment is not None}


@dataclass(frozen=True)
class Extent:
    """What a source reads of a recording.

    Attributes:
        first: number of its first frame in the recording.
        before: seconds of the recording before that frame.
        length: seconds that are read; None: to the end.
    """

    first: int = 0
    before: Fraction = Fraction(0)
    length: Fraction | None = None


WHOLE = Extent()


def nothing_there(part: Part, shown: str, length: Fraction | None) -> InputError:
    """That ``shown``, of ``length`` seconds, has no frame in ``part``."""
    known = "" if length is None else f", which is {clock(length)} long"
    return InputError(f"no frame {part} in {shown}{known}", "give an earlier start or a later end")


def tell_if_beyond(end: Fraction | None, shown: str, length: Fraction | None) -> None:
    """Say that ``shown``, of about ``length`` seconds, is over long before ``end``."""
    if end is not None and length is not None and end > length + 1:
        told = clock(end), shown, clock(length)
        _log.warning("the end %s is beyond that of %s, which is %s long", *told)


def clock(seconds: Fraction) -> str:
    """``00:01:30.500``."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
