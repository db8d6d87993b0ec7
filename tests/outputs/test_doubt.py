"""Which frames are said to be doubtful."""

import numpy as np
import pytest

from threedcseg.outputs.doubt import CERTAIN, DoubtfulFrames, DoubtMeter, to_check


def disc(x: float = 100, radius: float = 30, most: float = 1.0, blur: float = 0.0) -> np.ndarray:
    """``(144, 256)`` float32: a disc, its edge as wide as ``blur`` pixels."""
    rows, columns = np.mgrid[:144, :256]
    distance = radius - np.hypot(columns - x, rows - 72)
    edge = distance / blur + 0.5 if blur else distance > 0
    return (most * np.clip(edge, 0, 1)).astype(np.float32)


def doubts(frames: list[np.ndarray], cuts: tuple[int, ...] = ()) -> np.ndarray:
    meter = DoubtMeter()
    for number, frame in enumerate(frames):
        meter.update(number, frame, number in cuts)
    return meter.doubts


def test_a_certain_mask_that_moves_has_none() -> None:
    frames = [disc(60 + 8 * t) for t in range(20)]
    assert doubts(frames).max() == 0
    meter = DoubtMeter()
    for number, frame in enumerate(frames):
        meter.update(number, frame)
    assert meter.doubtful() == ()


def test_an_edge_that_is_undecided() -> None:
    wider = doubts([disc(blur=blur) for blur in (0, 4, 10, 25, 50)])
    assert (np.diff(wider) > 0.02).all() and wider.min() >= 0 and wider.max() <= 1
    assert doubts([disc(most=0.55)])[0] == pytest.approx(0.45, abs=0.02)


def test_a_part_elsewhere() -> None:
    both = np.maximum(disc(60), disc(200, radius=15))
    share = 15**2 / (30**2 + 15**2)
    assert doubts([both])[0] == pytest.approx(share / 2, abs=0.01)


def test_what_vanishes_is_told_at_both_ends_of_the_gap_but_not_at_a_cut() -> None:
    there, gone = disc(), np.zeros((144, 256), np.float32)
    frames = [there] * 4 + [gone] * 4 + [there] * 4
    assert np.flatnonzero(doubts(frames) > 0.9).tolist() == [3, 4, 7, 8]
    assert np.flatnonzero(doubts(frames, cuts=(4,)) > 0.9).tolist() == [7, 8]
    assert doubts([gone] * 5).max() == 0


def test_the_worst_tenth_by_their_numbers_in_rows() -> None:
    meter = DoubtMeter()
    for number in range(100, 200):
        meter.update(number, disc(blur=20 if number in (120, 121, 122, 150) else 8))
    found = meter.doubtful()
    assert sum(map(len, found)) == 10  # also of frames that are all alike
    assert all(each.doubt >= CERTAIN and each.first <= each.last for each in found)
    covered = {n for each in found for n in range(each.first, each.last + 1)}
    assert {120, 121, 122, 150} <= covered and len(covered) == 10


def test_large_frames_give_the_doubt_of_small_ones() -> None:
    frame = disc(blur=20)
    large = frame.repeat(5, axis=0).repeat(5, axis=1)
    assert doubts([large])[0] == pytest.approx(doubts([frame])[0], abs=0.01)


def test_memory_is_a_few_bytes_a_frame() -> None:
    meter = DoubtMeter()
    for number in range(1000):
        meter.update(number, np.zeros((16, 16), np.float32))
    held = sum(a.buffer_info()[1] * a.itemsize for a in (meter._numbers, meter._doubts))
    assert held == 12 * 1000


def test_in_words() -> None:
    assert to_check(()) == ""
    rows = (DoubtfulFrames(12, 14, 0.5), DoubtfulFrames(20, 20, 0.3))
    assert to_check(rows) == "; to check: 4 frames, from number 12 on"
    assert to_check(rows[1:]) == "; to check: 1 frame, from number 20 on"
