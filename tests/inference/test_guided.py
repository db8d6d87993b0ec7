import cv2
import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from threedcseg.inference.geometry import Geometry
from threedcseg.inference.guided import upsample_guided


def disc(height=240, width=320):
    """An image of a bright disc on a dark ground with some noise, and the disc ``(H, W)`` bool."""
    rows, columns = np.mgrid[:height, :width]
    inside = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (0.3 * height) ** 2
    noise = np.random.default_rng(0).integers(-8, 9, (height, width, 3))
    return (np.where(inside, 180, 60)[..., None] + noise).astype(np.uint8), inside


def agreement(mask, other):
    return np.sum(mask & other) / np.sum(mask | other)


def coarse(inside, scale=8):
    """What a network of low resolution says of it: blurred, and a little off."""
    height, width = inside.shape
    blurred = cv2.GaussianBlur(np.roll(inside, 4, axis=1).astype(np.float32), (0, 0), 6)
    return cv2.resize(blurred, (width // scale, height // scale), interpolation=cv2.INTER_AREA)


def test_edges_follow_the_image():
    image, inside = disc()
    small = coarse(inside)
    geometry = Geometry(inside.shape, small.shape)
    found = {
        name: agreement(geometry.to_source(small, name, image) > 0.5, inside)
        for name in ("linear", "guided")
    }
    assert found["guided"] > 0.97 > 0.95 > found["linear"]


def test_unsure_pixels_are_the_guided_filter_written_out():
    image, inside = disc(96, 128)
    small = coarse(inside, 2)

    def mean(values):
        return uniform_filter(values, 5, mode="nearest")

    def enlarged(values):
        return cv2.resize(values.astype(np.float32), (128, 96)).astype(float)

    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    guide = luma.reshape(24, 4, 32, 4).mean(axis=(1, 3)) / 255
    p = small.astype(float).reshape(24, 2, 32, 2).mean(axis=(1, 3))
    slope = mean(guide * p) - mean(guide) * mean(p)
    slope /= mean(guide * guide) - mean(guide) ** 2 + 1e-3
    offset = mean(mean(p) - slope * mean(guide))
    expected = enlarged(mean(slope)) * luma / 255 + enlarged(offset)
    linear = enlarged(small)
    sure = (linear < 0.05) | (linear > 0.95)
    assert 0.1 < sure.mean() < 0.9
    expected = np.where(sure, linear, expected.clip(0, 1))
    assert np.abs(upsample_guided(small, image) - expected).max() < 1e-4


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_where_all_is_alike_it_stays(value):
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    found = upsample_guided(np.full((32, 48), value, np.float32), image)
    assert np.allclose(found, value, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (200, 1), (20, 30), (300, 401)])
def test_any_size_and_never_outside_0_and_1(size):
    rng = np.random.default_rng(0)
    small = rng.random((16, 32), np.float32)
    found = upsample_guided(small, rng.integers(0, 256, (*size, 3), np.uint8))
    assert found.shape == size and found.dtype == np.float32
    assert found.min() >= 0 and found.max() <= 1


def test_the_map_given_is_not_changed():
    image, inside = disc(32, 48)
    small = coarse(inside, 1)
    before = small.copy()
    upsample_guided(small, image)
    assert np.array_equal(small, before)


def test_padding_is_cut_off_before():
    image, inside = disc(50, 70)
    padded = Geometry.fit(50, 70, short_edge=50, multiple=32, pad=True)
    small = coarse(inside, 1)
    top, bottom, left, right = padded.padding
    around = np.pad(small, ((top, bottom), (left, right)), constant_values=1)
    found = padded.to_source(around, "guided", image)
    assert np.array_equal(found, upsample_guided(small, image))


def test_guided_needs_the_frame():
    with pytest.raises(ValueError, match="needs the frame"):
        Geometry((4, 4), (4, 4)).to_source(np.zeros((4, 4), np.float32), "guided")
