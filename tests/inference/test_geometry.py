import numpy as np
import pytest

from threedcseg.errors import InputError
from threedcseg.inference.geometry import Geometry


def test_published_geometry_pads_evenly_with_the_odd_pixel_below_and_right():
    geometry = Geometry.fit(480, 854, short_edge=480, multiple=32, pad=True)
    assert geometry.resized == (480, 854)
    assert geometry.padding == (0, 0, 5, 5)
    geometry = Geometry.fit(481, 855, short_edge=481, multiple=32, pad=True)
    assert geometry.padding == (15, 16, 4, 5)


@pytest.mark.parametrize("size", [(480, 854), (854, 480), (2, 2), (1, 700), (333, 77)])
@pytest.mark.parametrize("pad", [False, True])
def test_frames_reach_the_network_in_its_multiple_and_maps_come_back(size, pad):
    geometry = Geometry.fit(*size, short_edge=64, multiple=16, pad=pad)
    small = geometry.to_network(np.full((*size, 3), 200, np.uint8))
    assert small.shape[0] % 16 == 0 and small.shape[1] % 16 == 0
    assert max(small.shape) <= 4 * 64 + 16
    back = geometry.to_source(small[..., 0].astype(np.float32))
    assert back.shape == size
    assert np.allclose(back, 200)


def test_frames_are_shrunk_by_the_mean_of_what_a_pixel_covers():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::4] = 200  # a row of four, which every fourth pixel alone would miss or be
    small = Geometry.fit(64, 64, short_edge=16, multiple=16).to_network(stripes)
    assert small.shape == (16, 16, 3) and np.abs(small.astype(int) - 50).max() <= 1


def test_padding_is_cut_off_again():
    geometry = Geometry.fit(50, 50, short_edge=50, multiple=32, pad=True)
    image = np.random.default_rng(0).integers(0, 255, (50, 50, 3), np.uint8)
    back = geometry.to_source(geometry.to_network(image)[..., 1].astype(np.float32), "nearest")
    assert np.array_equal(back, image[..., 1])


def test_no_pixels():
    with pytest.raises(InputError, match="no pixels"):
        Geometry.fit(0, 10, 240, 16)
