"""What is timed, and that a budget bounds it."""

import math

import pytest
import torch
from made_videos import gray_frames, write_video

from threedcseg.inference.settings import Settings
from threedcseg.segmentation import timing
from threedcseg.segmentation.timing import seconds_a_frame, time_video

SETTINGS = Settings(clip_length=4, short_edge=32, stride=1, overlap=0)


def network(clip):
    return clip[:, :1] * 20 - 10


def test_seconds_a_frame_are_the_papers():
    assert seconds_a_frame(1.1, 8) == pytest.approx(0.22)
    assert seconds_a_frame(1.0, 8, overlap=7) == 1.0
    assert seconds_a_frame(1.0, 2) == 1.0


@pytest.mark.parametrize("write", ["masks", "overlay", "alpha.mov"])
def test_a_whole_video_in_parts(tmp_path, write):
    video = write_video(tmp_path / "v.mp4", gray_frames(20))
    times = time_video(video, network, SETTINGS, torch.device("cpu"), 2, write)
    assert times.num_frames == 20
    for part in ("reading", "network", "resizing", "writing", "end_to_end"):
        assert len(getattr(times, part).seconds) == 2 and getattr(times, part).least > 0


@pytest.mark.parametrize(
    ("budget", "frames", "repeats"), [(math.inf, 20, 9), (100.0, 20, 4), (20.0, 8, 2), (0.0, 4, 1)]
)
def test_a_budget_bounds_frames_and_repeats(tmp_path, monkeypatch, budget, frames, repeats):
    """On a machine whose network takes a second a frame and all else no time."""
    clock = 0.0

    def slow(clip):
        nonlocal clock
        clock += 0.5 * clip.shape[2]
        return network(clip)

    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock)
    video = write_video(tmp_path / "v.mp4", gray_frames(20))
    times = time_video(video, slow, SETTINGS, torch.device("cpu"), 9, budget=budget)
    assert times.num_frames == frames and times.network.median == 0.5
    assert len(times.network.seconds) == repeats
    assert clock <= max(budget, 6.0)
