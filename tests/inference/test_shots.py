from itertools import accumulate
from random import Random

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_scenes import scene, starts

from threedcseg.inference.shots import FLASH, mark_shots


def cuts_of(frames):
    marked = list(mark_shots(frames))
    assert [id(frame) for _, frame in marked] == [id(frame) for frame in frames]
    return starts([shot for shot, _ in marked])


@pytest.mark.parametrize("gray", [False, True])
def test_made_up_cuts_are_found_and_nothing_else(gray):
    scenes = [scene(seed, 15 + seed) for seed in range(12)]
    frames = [frame for part in scenes for frame in part]
    if gray:
        frames = [np.repeat(frame[..., :1], 3, axis=2) for frame in frames]
    assert cuts_of(frames) == list(accumulate(len(part) for part in scenes[:-1]))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_shots_of_any_length(lengths):
    frames = [f for seed, length in enumerate(lengths) for f in scene(seed, length)]
    assert cuts_of(frames) == list(accumulate(lengths[:-1]))


@pytest.mark.parametrize("length", range(1, 5))
def test_a_scene_that_comes_back_was_interrupted_by_a_flash_or_by_a_shot(length):
    before, after = np.split(scene(0, 24), [12])
    expected = [12, 12 + length] if length > 2 else []
    assert cuts_of([*before, *scene(1, length), *after]) == expected


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("bright", [255, 0])
def test_flashes_are_no_cuts(length, bright):
    frames = list(scene(3, 40))
    for start in (10, 25):
        for index in range(start, start + length):
            frames[index] = cv2.addWeighted(frames[index], 0.15, frames[index], 0, 0.85 * bright)
    assert cuts_of(frames) == []


def test_a_last_frame_that_differs_is_kept():
    assert cuts_of([*scene(0, 9), *scene(1, 1)]) == [9]


def test_fades_and_dissolves_neither_fail_nor_shatter():
    one, other = scene(0, 40).astype(float), scene(1, 40).astype(float)
    weights = np.clip((np.arange(40) - 10) / 20, 0, 1)[:, None, None, None]
    dissolve = (one * (1 - weights) + other * weights).astype(np.uint8)
    to_black = (one * (1 - weights)).astype(np.uint8)
    assert cuts_of(list(dissolve)) == []
    assert len(cuts_of(list(to_black))) <= 1


@pytest.mark.parametrize("speed", [0, 8, 16])
def test_a_fast_pan_is_no_cut(speed):
    assert cuts_of(list(scene(5, 30, speed))) == []


def test_frames_are_read_ahead_only_where_a_cut_is_suspected():
    read = []

    def frames():
        for index, frame in enumerate([*scene(0, 20), *scene(1, 20)]):
            read.append(index)
            yield frame

    ahead = [len(read) - 1 - index for index, _ in enumerate(mark_shots(frames()))]
    assert ahead[20] == FLASH and max(ahead) == FLASH
    assert not any(ahead[:20]) and not any(ahead[23:])


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2)])
def test_frames_of_any_size(size):
    dark, bright = np.zeros((*size, 3), np.uint8), np.full((*size, 3), 255, np.uint8)
    assert cuts_of([dark.copy() for _ in range(9)] + [bright.copy() for _ in range(9)]) == [9]


def test_no_frames():
    assert list(mark_shots([])) == []


def test_joined_sequences_of_davis(shared):
    """At least 95 % of the cuts, and at most one false one in 1000 frames."""
    root = shared / "data" / "davis16"

    def frames(name, resolution, limit=None):
        for path in sorted((root / "JPEGImages" / resolution / name).glob("*.jpg"))[:limit]:
            image = cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_2)
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def names(split):
        return (root / "ImageSets" / f"{split}.txt").read_text().split()

    parts = [list(frames(name, "480p")) for name in names("dev")]
    assert sum(len(cuts_of(part)) for part in parts) == 0, "368 frames: less than one false cut"
    parts += [list(frames(name, "288p", 15)) for name in names("train")]
    Random(0).shuffle(parts)
    true = set(accumulate(len(part) for part in parts[:-1]))
    found = set(cuts_of([frame for part in parts for frame in part]))
    assert len(found & true) >= 0.95 * len(true)
    assert len(found - true) <= sum(map(len, parts)) / 1000
