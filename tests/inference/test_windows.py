import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threedcseg.errors import InputError
from threedcseg.inference.windows import all_windows, iter_clips

settings = st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1)))


def test_default_windows_overlap_by_three():
    windows = all_windows(18)
    assert [w[0] for w in windows] == [0, 5, 10]
    assert all(w == tuple(range(w[0], w[0] + 8)) for w in windows)


def test_shift_moves_the_last_window_back():
    assert all_windows(20)[-1] == tuple(range(12, 20))


def test_dense_has_a_window_at_every_frame():
    assert [w[0] for w in all_windows(12, 8, 7)] == [0, 1, 2, 3, 4]


def test_repeat_first_is_the_published_tail():
    windows = all_windows(13, tail="repeat-first")
    assert windows[:2] == [tuple(range(8)), tuple(range(5, 13))]
    assert windows[2] == (10, 10, 10, 10, 10, 10, 11, 12)
    assert len(windows) == 3


@pytest.mark.parametrize("tail", ["shift", "repeat-first"])
@given(num_frames=st.integers(1, 60), lengths=settings)
def test_every_frame_is_covered_and_every_window_is_full(tail, num_frames, lengths):
    clip_length, overlap = lengths
    windows = all_windows(num_frames, clip_length, overlap, tail)
    assert all(len(window) == clip_length for window in windows)
    assert {index for window in windows for index in window} == set(range(num_frames))


@pytest.mark.parametrize("tail", ["shift", "repeat-first"])
@given(num_frames=st.integers(0, 60), lengths=settings)
def test_streaming_gives_the_same_windows_with_the_frames_they_name(tail, num_frames, lengths):
    clip_length, overlap = lengths
    clips = list(iter_clips(range(num_frames), clip_length, overlap, tail))
    assert all(list(clip.window) == clip.frames for clip in clips)
    assert [c.window for c in clips] == all_windows(num_frames, clip_length, overlap, tail)
    assert not any(clip.before or clip.after for clip in clips)


@given(num_frames=st.integers(0, 80), lengths=settings, stride=st.integers(1, 7))
def test_windows_with_a_stride_cover_every_frame_and_settle_them(num_frames, lengths, stride):
    clip_length, overlap = lengths
    clips = list(iter_clips(range(num_frames), clip_length, overlap, "shift", stride))
    assert all(len(c.window) == clip_length and list(c.window) == c.frames for c in clips)
    assert {index for clip in clips for index in clip.window} == set(range(num_frames))
    for number, clip in enumerate(clips[:-1]):
        assert {i for c in clips[: number + 1] for i in c.window} >= set(range(clip.settled))


@given(
    num_frames=st.integers(1, 80),
    lengths=settings,
    stride=st.integers(1, 4),
    context=st.integers(0, 9),
)
def test_context_is_what_lies_around_a_window(num_frames, lengths, stride, context):
    clip_length, overlap = lengths
    video = range(100, 100 + num_frames)
    options = clip_length, overlap, "shift", stride
    clips = list(iter_clips(video, *options, context))
    assert [clip.window for clip in clips] == all_windows(num_frames, *options)
    for clip in clips:
        apart = max(1, clip.window[-1] - clip.window[-2]) if clip_length > 1 else stride
        steps = range(apart, context * apart + 1, apart)
        before = [clip.window[0] - step for step in reversed(steps)]
        after = [clip.window[-1] + step for step in steps]
        for indices, frames in ((before, clip.before), (after, clip.after)):
            assert frames == [100 + i if 0 <= i < num_frames else None for i in indices]


def test_windows_with_a_stride_make_blocks():
    windows = all_windows(70, 8, 0, stride=6)
    assert windows[:6] == [tuple(range(first, first + 48, 6)) for first in range(6)]
    assert windows[6:] == [tuple(range(first, first + 24, 3)) for first in (46, 47, 48)]


def test_a_short_video_is_seen_less_far_apart():
    assert all_windows(16, 8, 0, stride=6) == [tuple(range(0, 16, 2)), tuple(range(1, 16, 2))]
    assert all_windows(8, 8, 0, stride=6) == [tuple(range(8))]


def test_a_clip_is_given_out_as_soon_as_its_last_frame_is_in():
    taken = []

    def frames():
        for index in range(100):
            taken.append(index)
            yield index

    clips = iter_clips(frames())
    next(clips)
    assert len(taken) == 8
    next(clips)
    assert len(taken) == 13


def test_a_clip_with_context_is_given_out_as_soon_as_that_is_in_and_its_frames_are_let_go():
    alive = weakref.WeakSet()

    class Frame:
        def __init__(self):
            alive.add(self)

    taken = []

    def frames():
        for index in range(100):
            taken.append(index)
            yield Frame()

    for number, _ in enumerate(iter_clips(frames(), 8, 0, context=5)):
        assert len(taken) == min(13 + 8 * number, 100)
        assert len(alive) <= 8 + 2 * 5 + 1


@pytest.mark.parametrize(
    ("clip_length", "overlap", "tail"),
    [(0, 0, "shift"), (8, 8, "shift"), (8, -1, "shift"), (8, 3, "x")],
)
def test_senseless_settings_are_refused(clip_length, overlap, tail):
    with pytest.raises(InputError, match=r"clip|overlap|tail"):
        all_windows(10, clip_length, overlap, tail)


def test_senseless_stride_is_refused():
    with pytest.raises(InputError, match="stride 0"):
        all_windows(10, stride=0)
