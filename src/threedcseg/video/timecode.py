"""Timecodes, ``HH:MM:SS:FF`` or ``HH:MM:SS;FF`` (drop-frame): numbers of frames, as editors count.

A timecode counts whole frames at the nominal rate, 30 for 29.97. Drop-frame leaves out the numbers
0 and 1 (at 60: 0 to 3) of each minute but every tenth, so that it stays near the clock.
"""

import re
from fractions import Fraction

_TIMECODE = re.compile(r"(\d{1,2}):([0-5]\d):([0-5]\d)([:;.])(\d{2,3})")


def frames_of(timecode: str, rate: Fraction) -> int | None:
    """How many frames a timecode counts; None for what is none at this rate."""
    match = _TIMECODE.fullmatch(timecode)
    nominal = round(rate)
    if match is None or int(match[5]) >= nominal:
        return None
    minutes = 60 * int(match[1]) + int(match[2])
    frames = nominal * (60 * minutes + int(match[3])) + int(match[5])
    if match[4] == ":":
        return frames
    return frames - _dropped_a_minute(nominal) * (minutes - minutes // 10)


def later(timecode: str, frames: int, rate: Fraction) -> str:
    """The timecode so many frames on, after midnight from 0 again; what is none stays as it is."""
    count, nominal = frames_of(timecode, rate), round(rate)
    if count is None:
        return timecode
    mark = timecode[-3] if timecode[-3] in ":;." else timecode[-4]
    dropped = 0 if mark == ":" else _dropped_a_minute(nominal)
    ten_minutes, minute = 600 * nominal - 9 * dropped, 60 * nominal - dropped
    tens, rest = divmod((count + frames) % (144 * ten_minutes), ten_minutes)
    more = max(0, rest - 60 * nominal) // minute + (rest >= 60 * nominal)
    number = tens * 600 * nominal + rest + dropped * more
    seconds, frame = divmod(number, nominal)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{frame:02d}"


def _dropped_a_minute(nominal: int) -> int:
    return nominal // 15
