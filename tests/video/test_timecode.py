"""Timecodes count frames, drop-frame ones with gaps."""

from fractions import Fraction

import pytest

from threedcseg.video.timecode import frames_of, later

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("timecode", "rate", "frames"),
    [
        ("00:00:01:00", Fraction(25), 25),
        ("01:00:00:00", NTSC, 108000),
        ("00:01:00;02", NTSC, 1800),
        ("00:10:00;00", NTSC, 17982),
        ("01:00:00;00", 2 * NTSC, 215784),
        ("00:00:00:25", Fraction(25), None),
        ("tomorrow", Fraction(25), None),
    ],
)
def test_frames(timecode: str, rate: Fraction, frames: int | None) -> None:
    assert frames_of(timecode, rate) == frames


@pytest.mark.parametrize("mark", [":", ";"])
@pytest.mark.parametrize("rate", [NTSC, 2 * NTSC])
def test_every_frame_of_half_an_hour_has_its_own(mark: str, rate: Fraction) -> None:
    for count in range(0, 54000, 7):
        assert frames_of(later(f"00:00:00{mark}00", count, rate), rate) == count


def test_drop_frame_leaves_numbers_out_and_midnight_comes() -> None:
    assert later("00:00:59;29", 1, NTSC) == "00:01:00;02"
    assert later("00:09:59;29", 1, NTSC) == "00:10:00;00"
    assert later("23:59:59:24", 2, Fraction(25)) == "00:00:00:01"
    assert later("A001", 2, Fraction(25)) == "A001"
