"""A choice of objects as a filter over what `segment` yields."""

from itertools import tee

import cv2
import numpy as np
import pytest

from threedcseg import InputError, ObjectChoice, Settings, choose_objects, segment

SETTINGS = Settings(short_edge=96)


def redness(clip):
    return (clip[:, :1] - clip[:, 1:2]) * 12 - 4


def discs(count: int):
    for i in range(count):
        image = np.full((96, 128, 3), 100, np.uint8)
        cv2.circle(image, (30 + i, 30), 14, (230, 30, 30), -1)
        if i >= 4:
            cv2.circle(image, (100 - i, 75), 10, (230, 60, 30), -1)
        yield image


def test_a_filter_over_results():
    frames, again = tee(discs(12))
    cuts: list[int] = []
    results = segment(frames, redness, SETTINGS, lambda shot: cuts.append(shot.first))
    choice = ObjectChoice(keep=("91,75@0.375",))
    left = dict(choose_objects(again, results, choice, cuts=cuts))
    assert list(left) == list(range(12))
    for i, probabilities in left.items():
        assert probabilities.dtype == np.float32
        assert probabilities[30, 30 + i] < 0.5
        assert (probabilities[75, 100 - i] > 0.5) == (i >= 4)


def test_nothing_there():
    frames, again = tee(discs(4))
    results = choose_objects(again, segment(frames, redness, SETTINGS), ObjectChoice(("5,90",)))
    with pytest.raises(InputError, match="no object at 5,90 in frame 0; nearest: object 1"):
        next(results)
    assert list(choose_objects([], [], ObjectChoice(("5,90",)))) == []
