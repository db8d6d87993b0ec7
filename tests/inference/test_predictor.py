import weakref
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.inference.predictor import Shot, segment, to_probabilities
from threedcseg.inference.settings import PUBLISHED, Settings
from threedcseg.inference.windows import all_windows

SMALL = Settings(short_edge=16, multiple=16, shots=False, stride=1, tta=1)


def redness(clip):
    """A network whose foreground is what is red: logits (B, 1, T, H, W) from (B, 3, T, H, W)."""
    return (clip[:, :1] - 0.5) * 20


def slot_number(clip):
    """A network whose answer is the slot's number in the clip, which tells windows apart."""
    slots = torch.arange(clip.shape[2], dtype=torch.float32) / 10
    return torch.logit(slots.clamp(1e-4, 0.99)).reshape(1, 1, -1, 1, 1).expand_as(clip[:, :1])


def video(count, height=20, width=30, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 13, 21])
@pytest.mark.parametrize(
    "options", [SMALL, replace(SMALL, overlap=7), replace(PUBLISHED, short_edge=16)]
)
@pytest.mark.parametrize("emit", ["final", "early"])
def test_every_frame_comes_once_in_order_at_its_own_size(count, options, emit):
    results = list(segment(video(count), redness, replace(options, emit=emit)))
    assert [index for index, _ in results] == list(range(count))
    assert all(p.shape == (20, 30) and p.dtype == np.float32 for _, p in results)


def test_a_network_that_gives_no_numbers_is_refused():
    with pytest.raises(InputError, match="NaN"):
        list(segment(video(9), lambda clip: redness(clip) * float("nan"), SMALL))


def test_red_is_found_where_it_is():
    frame = np.zeros((20, 30, 3), np.uint8)
    frame[:, 15:, 0] = 255
    (_, probabilities), *_ = segment([frame] * 3, redness, SMALL)
    assert probabilities[:, :12].max() < 0.1
    assert probabilities[:, 18:].min() > 0.9


@pytest.mark.parametrize("tail", ["shift", "repeat-first"])
def test_final_probabilities_are_the_average_over_all_windows(tail):
    count = 20  # the shifted window 12..19 comes after frames 0..14 have left
    results = dict(segment(video(count), slot_number, replace(SMALL, tail=tail, overlap=3)))
    step = 5
    for index in range(count):
        values = [
            max(slot / 10, 1e-4)
            for number, window in enumerate(all_windows(count, 8, 3, tail))
            for slot, frame in enumerate(window)
            if frame == index and (tail != "shift" or window[0] == 5 * number or index >= 15)
        ]
        assert results[index].mean() == pytest.approx(np.mean(values), abs=1e-5), (index, step)


@hypothesis_settings(deadline=None, max_examples=30)
@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_delay_is_bounded_once_running(lengths):
    clip_length, overlap = lengths
    delays = {"early": clip_length - overlap - 1, "final": clip_length - 1}
    for emit, allowed in delays.items():
        read = []

        def frames(read=read):
            for index, frame in enumerate(video(40)):
                read.append(index)
                yield frame

        options = replace(SMALL, clip_length=clip_length, overlap=overlap, emit=emit)
        delay = [
            len(read) - 1 - index
            for index, _ in segment(frames(), redness, options)
            if index >= clip_length
        ]
        assert max(delay) <= allowed


class Around:
    """Answers with the frames that it is shown, which are of one colour each; keeps them."""

    takes_context = True

    def __init__(self):
        self.seen = []

    def __call__(self, clip, context=0):
        self.seen += [(context, (one * 255).round().int().tolist()) for one in clip[:, 0, :, 0, 0]]
        return clip[:, :1, context : clip.shape[2] - context]


def numbered(count):
    """Frame ``t`` has the colour ``t + 1``."""
    return [np.full((20, 30, 3), t + 1, np.uint8) for t in range(count)]


@pytest.mark.parametrize("tta", [1, 4])
def test_a_network_that_takes_context_sees_frames_around_its_clip(tta):
    network = Around()
    options = replace(SMALL, context=3, tta=tta)
    found = dict(segment(numbered(19), network, options))
    assert network.seen[::tta] == [
        (3, [0, 0, 0, *range(1, 9), 9, 10, 11]),
        (3, [6, 7, 8, *range(9, 17), 17, 18, 19]),
        (3, [9, 10, 11, *range(12, 20), 0, 0, 0]),
    ]
    for index, probabilities in found.items():
        expected = 1 / (1 + np.exp(-(index + 1) / 255))
        assert probabilities.mean() == pytest.approx(expected, abs=1e-4)


def test_context_ends_where_a_shot_does():
    network = Around()
    frames = [np.full((40, 60, 3), 10, np.uint8)] * 12 + [np.full((40, 60, 3), 200, np.uint8)] * 12
    list(segment(frames, network, replace(SMALL, shots=True, context=2)))
    for _, colours in network.seen:
        assert len(set(colours) - {0}) == 1


def test_masks_given_early_frames_alone_and_other_networks_have_no_context():
    for options, length in ({"emit": "early"}, 8), ({"clip_length": 1}, 1):
        network = Around()
        list(segment(numbered(19), network, replace(SMALL, context=3, **options)))
        assert {(context, len(colours)) for context, colours in network.seen} == {(0, length)}
    assert len(list(segment(numbered(19), redness, replace(SMALL, context=3)))) == 19


@pytest.mark.parametrize("context", [0, 1, 5])
def test_context_is_awaited_and_no_longer(context):
    read = []

    def frames():
        for index, frame in enumerate(numbered(60)):
            read.append(index)
            yield frame

    delays = {}
    for index, _ in segment(frames(), Around(), replace(SMALL, context=context)):
        delays[index] = len(read) - 1 - index
    assert max(delays[i] for i in range(40)) == 8 + context - 1


def test_a_frame_whose_mask_is_out_is_held_small_alone():
    """As context for what follows, the frame at its own size is not needed."""
    given = []

    def frames():
        for t in range(60):
            frame = np.full((20, 30, 3), t, np.uint8)
            given.append(weakref.ref(frame))
            yield frame

    options = replace(SMALL, context=5)
    held = [sum(f() is not None for f in given) for _ in segment(frames(), Around(), options)]
    assert max(held) <= 8 + 5 + 2


def test_dense_early_is_online():
    read = []

    def frames():
        for index, frame in enumerate(video(12)):
            read.append(index)
            yield frame

    for index, _ in segment(frames(), redness, replace(SMALL, overlap=7, emit="early")):
        assert len(read) - 1 == max(index, 7)


def test_logits_of_the_mirror_image_are_averaged():
    sizes = []

    def left_half(clip):  # how red it is there, everywhere
        sizes.append(tuple(clip.shape[-2:]))
        red = clip[:, :1, ..., : clip.shape[-1] // 2].mean(dim=(-2, -1), keepdim=True)
        return (red * 8 - 4).expand_as(clip[:, :1])

    frame = np.zeros((48, 96, 3), np.uint8)
    frame[:, :48, 0], frame[:, 48:, 0] = 255, 51
    once, twice, four = (
        dict(segment([frame] * 3, left_half, replace(SMALL, short_edge=48, tta=tta)))
        for tta in (1, 2, 4)
    )
    assert sizes[:3] == [(48, 96), (48, 96), (32, 64)]
    assert sizes[3:] == [(48, 96), (32, 64), (32, 64), (48, 96)]
    assert once[0].mean() == pytest.approx(1 / (1 + np.exp(-4)), abs=1e-3)
    for several in (twice, four):
        assert several[0].mean() == pytest.approx(1 / (1 + np.exp(-(4 - 2.4) / 2)), abs=1e-2)


def test_smaller_views_do_not_flicker_with_fine_patterns():
    """Stripes of one pixel are gray at 0.6 of the size, not wide stripes."""
    seen = []

    def watching(clip):
        seen.append(clip[0, 0, 0])
        return clip[:, :1]

    frame = np.zeros((80, 80, 3), np.uint8)
    frame[:, ::2] = 255
    list(segment([frame], watching, replace(SMALL, short_edge=80, tta=2)))
    assert seen[1].shape == (48, 48)
    assert (seen[1][:, 4:-4] - 0.5).abs().max() < 0.2


@pytest.mark.parametrize("tta", [2, 4])
def test_mirrored_views_are_turned_back(tta):
    frame = np.zeros((48, 96, 3), np.uint8)
    frame[:, :40, 0] = 255
    probabilities = dict(segment([frame], redness, replace(SMALL, short_edge=48, tta=tta)))[0]
    assert np.array_equal(probabilities > 0.5, frame[..., 0] > 0)


@pytest.mark.parametrize("count", [1, 8, 20, 33, 50, 101])
@pytest.mark.parametrize("emit", ["final", "early"])
def test_windows_with_a_stride_give_every_frame_once_and_in_time(count, emit):
    read = []

    def frames():
        for index, frame in enumerate(video(count)):
            read.append(index)
            yield frame

    options = replace(SMALL, overlap=2, stride=3, emit=emit)
    results = [(len(read) - 1 - i, i, p) for i, p in segment(frames(), redness, options)]
    assert [index for _, index, _ in results] == list(range(count))
    assert max(delay for delay, _, _ in results) <= 23
    expected = dict(segment(video(count), redness, SMALL))
    for _, index, probabilities in results:
        assert np.abs(probabilities - expected[index]).max() < 1e-6


def test_large_frames_are_seen_less_far_apart(monkeypatch):
    seen = []

    def mean_of_clip(clip):
        seen.append(clip[0, 0, :, 0, 0].mul(255).round().int().tolist())
        return clip[:, :1]

    frames = [np.full((20, 30, 3), index, np.uint8) for index in range(40)]
    monkeypatch.setattr("threedcseg.inference.predictor.HELD_BYTES", 8 * 2 * 20 * 30 * 3)
    shots = []
    list(segment(frames, mean_of_clip, replace(SMALL, overlap=0, stride=6), shots.append))
    assert seen[0] == list(range(0, 16, 2))
    assert shots == [Shot(number=0, first=0, stride=2)]


def test_without_settings_those_of_the_network_count():
    class Trained:
        recommended: ClassVar = {"clip_length": 3, "stride": 1, "short_edge": 16, "unheard of": 1}

        def __call__(self, clip):
            lengths.append(clip.shape[2])
            return redness(clip)

    lengths = []
    assert len(list(segment(video(6), Trained()))) == 6
    assert set(lengths) == {3}


def test_no_frames_give_nothing():
    assert list(segment([], redness, SMALL)) == []


@pytest.mark.parametrize(
    "bad",
    [np.zeros((20, 30), np.uint8), np.zeros((20, 30, 4), np.uint8), np.zeros((20, 30, 3), float)],
)
def test_other_arrays_are_refused(bad):
    with pytest.raises(InputError, match="frame 0"):
        list(segment([bad], redness, SMALL))


def test_a_change_of_size_is_refused():
    with pytest.raises(InputError, match="frame 1 is 31x20 after frames of 30x20"):
        list(segment([*video(1), *video(1, width=31)], redness, SMALL))


def test_two_channels_take_a_softmax():
    logits = torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1, 1)
    assert to_probabilities(logits).item() == pytest.approx(1 / (1 + np.exp(-1)))


@pytest.mark.parametrize(
    ("frames", "needle"),
    [
        ([Image.new("RGB", (16, 16))], "np.asarray"),
        ([np.zeros((16, 16, 3), np.uint8), None], "stop where the video ends"),
        ([[1, 2, 3]], "give arrays"),
        ("dog.mp4", "segment_video"),
        (Path("dog.mp4"), "segment_video"),
    ],
)
def test_what_is_no_array_is_refused_with_the_remedy(frames, needle):
    with pytest.raises(InputError, match=needle):
        list(segment(frames, lambda clip: clip[:, :1]))
