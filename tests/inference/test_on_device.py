"""The path of a GPU: run here by the CPU too, which is told to resize as a GPU does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from devices import DEVICES

from threedcseg.errors import InputError
from threedcseg.inference import on_device, predictor
from threedcseg.inference.predictor import WINDOWS, segment
from threedcseg.inference.settings import Settings

SETTINGS = Settings(short_edge=16, multiple=16, clip_length=4, stride=3, shots=False)
BLOCK = SETTINGS.clip_length * SETTINGS.stride


class Redness(torch.nn.Module):
    """Its foreground is what is red, softly; it keeps the number of clips of each batch."""

    def __init__(self, device, scale=2.0):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(scale, device=device))
        self.batches = []

    def forward(self, clip):
        assert clip.device == self.scale.device
        self.batches.append(len(clip))
        return (clip[:, :1] - 0.5) * self.scale


@pytest.fixture(params=DEVICES)
def device(request, monkeypatch):
    for module in (on_device, predictor):
        monkeypatch.setattr(module, "resizes", lambda device: True)
    return torch.device(request.param)


def video(count, height=40, width=60):
    """Shades that move; after 20 frames another scene."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (2, 5, 8, 3), np.uint8).repeat(12, 1).repeat(12, 2)
    return [
        np.ascontiguousarray(np.roll(small[t // 20 % 2], t, 1)[:height, :width])
        for t in range(count)
    ]


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        replace(SETTINGS, overlap=2, median=3, upsampling="linear"),
        replace(SETTINGS, emit="early", tta=2, short_edge=32),
        replace(SETTINGS, shots=True),
    ],
)
@pytest.mark.parametrize("count", [1, 5, 29])
def test_the_same_as_by_opencv(device, settings, count, monkeypatch):
    found, shots = [], []
    for index, map_ in segment(video(count), Redness(device), settings, shots.append):
        assert index == len(found)
        found.append(map_)
    monkeypatch.undo()
    begun = []
    expected = [m for _, m in segment(video(count), Redness("cpu"), settings, begun.append)]
    assert shots == begun and len(begun) == (2 if settings.shots and count > 20 else 1)
    assert all(map_.dtype == np.float32 for map_ in found)
    # A level of the small frames, of 255, is half a hundredth of a probability here.
    assert np.abs(np.stack(found) - np.stack(expected)).max() < 0.02


@pytest.mark.parametrize("stride", [1, 3, 7])
@pytest.mark.parametrize("emit", ["final", "early"])
def test_the_next_batch_is_begun_before_maps_are_waited_for(device, emit, stride):
    """All windows of a block are one batch, or six; early, maps wait for nothing further."""
    settings = replace(SETTINGS, emit=emit, stride=stride)
    count = stride if emit == "early" else max(stride, WINDOWS)
    num_frames = 3 * stride * count * settings.clip_length
    network = Redness(device)
    maps = segment(video(num_frames), network, settings)
    next(maps)
    assert network.batches == [count] * (1 if emit == "early" else 2)
    assert len(list(maps)) == num_frames - 1
    assert network.batches == [count] * (3 * stride)


def test_batches_are_smaller_where_frames_are_large(device, monkeypatch):
    monkeypatch.setattr(predictor, "HELD_BYTES", 2 * SETTINGS.clip_length * 40 * 60 * 3)
    network = Redness(device)
    assert len(list(segment(video(20), network, replace(SETTINGS, stride=1)))) == 20
    assert network.batches == [2, 2, 1]


def test_large_batches_are_computed_in_parts(device, monkeypatch):
    expected = list(segment(video(BLOCK), Redness(device), SETTINGS))
    monkeypatch.setattr(predictor, "PIXELS_AT_ONCE", 2 * 4 * 16 * 32)  # two clips
    network = Redness(device)
    found = list(segment(video(BLOCK), network, SETTINGS))
    assert network.batches == [2, 1]
    for (_, ours), (_, theirs) in zip(found, expected, strict=True):
        assert np.array_equal(ours, theirs)


def test_maps_under_way_are_fewer_where_they_are_large(monkeypatch):
    monkeypatch.setattr(on_device, "IN_FLIGHT_BYTES", 2 * 4 * 100)
    asked = []

    def maps():
        for index in range(6):
            asked.append(index)
            yield index, torch.full((10, 10), float(index))

    ahead = []
    for index, map_ in on_device.downloaded(maps(), in_flight=4):
        ahead.append(len(asked) - 1 - index)
        assert isinstance(map_, np.ndarray) and map_[0, 0] == index
    assert ahead == [2, 2, 2, 2, 1, 0]


def test_no_numbers_are_refused(device):
    with pytest.raises(InputError, match="NaN"):
        list(segment(video(9), Redness(device, float("nan")), SETTINGS))
