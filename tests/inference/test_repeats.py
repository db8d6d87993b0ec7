from dataclasses import replace

import numpy as np
import pytest

from threedcseg.inference.predictor import segment
from threedcseg.inference.repeats import ALIKE, MOST, Repeats
from threedcseg.inference.settings import Settings

SMALL = Settings(short_edge=36, multiple=4, shots=False, context=0)


def scene(seed=0):
    return np.random.default_rng(seed).integers(20, 230, (36, 64, 3), np.uint8)


def shown(runs):
    """A video of scenes, each as often as ``runs`` say, with what an encoder would leave."""
    rng = np.random.default_rng(9)
    frames = [scene(seed) for seed, count in enumerate(runs) for _ in range(count)]
    return [frame + rng.integers(0, ALIKE, frame.shape, np.uint8) for frame in frames]


class Counting:
    """A network that answers with the mean colour of a frame; counts the frames that it sees."""

    def __init__(self):
        self.count = 0

    def __call__(self, clip):
        self.count += clip.shape[2]
        return 6 * (clip.mean((1, 3, 4), keepdim=True) - 0.5).expand_as(clip[:, :1])


def test_what_hardly_differs_repeats_and_at_most_three_times():
    repeats = Repeats()
    still = [repeats(frame) for frame in shown([2 * MOST + 3])]
    assert still == ([False] + [True] * MOST) * 2 + [False]
    assert not repeats(scene(1))


def test_small_things_that_move_are_seen():
    repeats, frame = Repeats(), scene()
    assert not repeats(frame)
    moved = frame.copy()
    moved[10, 20] = 255 - moved[10, 20] // 2
    assert not repeats(moved)


def test_in_the_dark_less_is_a_difference():
    repeats = Repeats()
    dark = scene() // 20
    assert not repeats(dark) and repeats(dark)
    assert not repeats(dark + np.uint8(2))
    plain = np.zeros((36, 64, 3), np.uint8)
    repeats = Repeats()
    assert not repeats(plain) and repeats(plain) and not repeats(plain + np.uint8(1))


def test_slow_changes_add_up():
    repeats = Repeats()
    frames = [scene() + np.uint8(2 * t) for t in range(9)]
    assert [repeats(frame) for frame in frames] == [False, True, True, True] * 2 + [False]
    brighter = [scene() + np.uint8(4 * t) for t in range(5)]
    repeats = Repeats()
    assert [repeats(frame) for frame in brighter] == [False, True, False, True, False]


@pytest.mark.parametrize("runs", [[2] * 20, [3, 2] * 8, [1, 4, 1, 7] * 4, [1, 1, 30], [1], [2]])
@pytest.mark.parametrize(
    "options", [{}, {"overlap": 3}, {"stride": 2}, {"median": 3}, {"shots": True}]
)
def test_every_frame_comes_once_in_order_with_the_mask_of_what_it_repeats(runs, options):
    settings = replace(SMALL, drop_unsure=0, **options)
    frames = shown(runs)
    found = list(segment(frames, Counting(), settings))
    assert [index for index, _ in found] == list(range(len(frames)))
    first = 0
    for count in runs:
        maps = [probabilities for _, probabilities in found[first : first + min(count, MOST + 1)]]
        assert all(np.array_equal(maps[0], other) for other in maps)
        assert len({id(each) for each in maps}) == len(maps)  # to be changed by who gets them
        first += count


def test_doubled_frames_have_the_masks_of_the_video_and_half_the_work():
    frames = [scene(seed) for seed in range(24)]
    once, twice = Counting(), Counting()
    expected = [p for _, p in segment(frames, once, SMALL)]
    found = [p for _, p in segment(np.repeat(frames, 2, axis=0), twice, SMALL)]
    assert twice.count == once.count
    for index, probabilities in enumerate(found):
        assert np.array_equal(probabilities, expected[index // 2])


def test_they_are_seen_like_any_where_masks_are_given_early_or_it_is_off():
    for options in {"skip_repeats": False}, {"emit": "early"}:
        network = Counting()
        assert len(list(segment(shown([2] * 16), network, replace(SMALL, **options)))) == 32
        assert network.count == 32


def test_a_repetition_after_its_frame_is_out_comes_before_the_next_one():
    """Without context, the last frame of a clip is out before what repeats it comes in."""
    order = []

    def frames():
        for index, frame in enumerate(shown([1] * 7 + [2] + [1] * 8)):
            order.append(f"in {index}")
            yield frame

    for index, _ in segment(frames(), Counting(), replace(SMALL, clip_length=8)):
        order.append(f"out {index}")
    assert order.index("out 7") < order.index("in 8")
    assert [each for each in order if each.startswith("out")] == [f"out {i}" for i in range(17)]


def of_a_still_scene(count):
    """How far each of ``count`` frames was read ahead of, and how many the network saw."""
    read = 0

    def frames():
        nonlocal read
        for frame in shown([count]):
            read += 1
            yield frame

    network = Counting()
    ahead = [read - 1 - index for index, _ in segment(frames(), network, SMALL)]
    return ahead, network.count


def test_held_frames_are_bounded_in_a_still_scene():
    ahead, seen = of_a_still_scene(400)
    assert max(ahead) <= 8 * (MOST + 1)
    assert seen == pytest.approx(400 / (MOST + 1), abs=8)


@pytest.mark.parametrize(("clips", "most"), [(1, 0), (2, 1), (3, 2), (4, MOST), (9, MOST)])
def test_fewer_repeat_one_where_frames_are_large(monkeypatch, clips, most):
    monkeypatch.setattr("threedcseg.inference.predictor.HELD_BYTES", clips * 8 * 36 * 64 * 3)
    ahead, seen = of_a_still_scene(400)
    assert max(ahead) <= 8 * (most + 1)
    assert seen == pytest.approx(400 / (most + 1), abs=8)


def test_a_tensor_on_a_device_is_not_waited_for(monkeypatch):
    """Frames are compared as they came, not as they are on a GPU."""
    monkeypatch.setattr("threedcseg.inference.predictor.resizes", lambda device: True)
    monkeypatch.setattr("threedcseg.inference.on_device.resizes", lambda device: True)
    network = Counting()
    assert len(list(segment(shown([2] * 60), network, SMALL))) == 120
    assert network.count < 70
