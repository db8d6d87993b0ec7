"""What PyTorch makes of tensors is what OpenCV makes of arrays."""

import cv2
import numpy as np
import pytest
import torch
from devices import DEVICES

from threedcseg.inference.geometry import Geometry
from threedcseg.inference.guided import upsample_guided
from threedcseg.inference.postprocessing import median_over_time
from threedcseg.inference.resizing import resize

SIZES = [((48, 85), (29, 51)), ((60, 40), (15, 10)), ((33, 70), (20, 7)), ((8, 200), (4, 50))]


@pytest.fixture(params=DEVICES)
def device(request):
    """With the products of matrices that a user may have allowed, which nothing here may take."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield torch.device(request.param)
    torch.set_float32_matmul_precision(before)


def frame(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


@pytest.mark.parametrize("method", ["area", "linear", "nearest"])
@pytest.mark.parametrize(("size", "other"), SIZES)
def test_pictures_to_a_level_and_maps_to_rounding(device, size, other, method):
    sizes = [(size, other)] if method == "area" else [(size, other), (other, size)]
    for source, wanted in sizes:
        picture = frame(source)
        small = resize(torch.from_numpy(picture).to(device), wanted, method)
        assert small.dtype == torch.uint8 and small.shape == (*wanted, 3)
        expected = resize(picture, wanted, method).astype(int)
        assert np.abs(small.cpu().numpy() - expected).max() <= 1
        map_ = np.random.default_rng(1).random(source, np.float32)
        found = resize(torch.from_numpy(map_).to(device), wanted, method).cpu().numpy()
        assert found.dtype == np.float32
        assert np.abs(found - resize(map_, wanted, method)).max() < 1e-5


def soft_map(size, seed=2):
    """Regions with soft edges, and all between sure and unsure."""
    noise = np.random.default_rng(seed).random((6, 9), np.float32)
    return (cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC) * 2 - 0.5).clip(0, 1)


@pytest.mark.parametrize("size", [(120, 213), (96, 64), (31, 57), (1, 40)])
def test_guided_upsampling(device, size):
    image, small = frame(size), soft_map((48, 80))
    image = cv2.GaussianBlur(image, (0, 0), 3)  # even areas, too, where the fit is steepest
    expected = upsample_guided(small, image)
    on_device = [torch.from_numpy(x).to(device) for x in (small, image)]
    found = upsample_guided(*on_device)
    assert found.dtype == torch.float32
    assert np.abs(found.cpu().numpy() - expected).max() < 1e-4


@pytest.mark.parametrize("pad", [False, True])
@pytest.mark.parametrize("size", [(50, 70), (20, 30)])
def test_to_the_network_and_back(device, size, pad):
    geometry = Geometry.fit(*size, short_edge=32, multiple=16, pad=pad)
    image = torch.from_numpy(frame(size)).to(device)
    expected = geometry.to_network(frame(size))
    small = geometry.to_network(image).cpu().numpy()
    assert small.shape == expected.shape
    assert np.abs(small - expected.astype(int)).max() <= 1
    map_ = soft_map(expected.shape[:2])
    for way in ("guided", "linear"):
        found = geometry.to_source(torch.from_numpy(map_).to(device), way, image).cpu().numpy()
        assert np.abs(found - geometry.to_source(map_, way, frame(size))).max() < 1e-4


def test_the_median_over_time(device):
    maps = np.random.default_rng(0).random((7, 4, 5), np.float32)
    expected = [values for _, values in median_over_time(enumerate(maps), 3)]
    tensors = enumerate(torch.from_numpy(maps).to(device))
    found = [values.cpu().numpy() for _, values in median_over_time(tensors, 3)]
    assert np.array_equal(found, expected)
