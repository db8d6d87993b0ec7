import cv2
import numpy as np
import pytest
import torch
from made_footage import CPU, canvases, picture, still, video

from threedcseg.datasets.packs import Footage
from threedcseg.training.clips.canvases import Canvases, is_static


def sampled(held, pictures, levels, x, y, mirrored):
    return held.sample(
        np.array(pictures),
        np.array(levels),
        torch.from_numpy(x.astype(np.float32)),
        torch.from_numpy(y.astype(np.float32)),
        np.array(mirrored),
    ).numpy()


def test_all_pictures_and_their_smaller_copies_are_kept():
    footage = [still("a", 1, 47, 63), video("b", 3), still("c", 2, 20, 90)]
    held = Canvases(footage, CPU)
    assert [(e.name, e.first, len(e.numbers)) for e in held.entries] == [
        ("a", 0, 1),
        ("b", 1, 3),
        ("c", 4, 1),
    ]
    pictures = [p for item in footage for p in item.pixels]
    for number, expected in enumerate(pictures):
        for level in range(3):
            start, (height, width) = held.starts[number, level], held.sizes[number, level]
            assert (height, width) == (expected.shape[0], expected.shape[1])
            flat = held.pixels[start : start + height * width].numpy()
            assert np.array_equal(flat.view(np.uint8).reshape(height, width, 4), expected)
            half = (expected.shape[1] // 2, expected.shape[0] // 2)
            expected = cv2.resize(expected, half, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("mirrored", [True, False])
def test_pixels_between_and_beyond_are_those_of_opencv(mirrored):
    rng = np.random.default_rng(0)
    shapes = [(40, 56), (31, 77)]
    pictures = [rng.integers(0, 256, (*shape, 4), np.uint8) for shape in shapes]
    held = canvases(*(Footage("x", "x", p[None], np.zeros(1, int)) for p in pictures))
    x = rng.uniform(-20, 90, (2, 25, 33))
    y = rng.uniform(-20, 60, (2, 25, 33))
    found = sampled(held, [0, 1], [0, 0], x, y, [mirrored] * 2)
    for number, image in enumerate(pictures):
        border = cv2.BORDER_REFLECT_101 if mirrored else cv2.BORDER_REPLICATE
        fields = x[number].astype(np.float32), y[number].astype(np.float32)
        expected = cv2.remap(image, *fields, cv2.INTER_LINEAR, borderMode=border) / 255
        if not mirrored:
            height, width = image.shape[:2]
            inside = (fields[0] > -0.5) & (fields[0] < width - 0.5)
            expected[..., 3] *= inside & (fields[1] > -0.5) & (fields[1] < height - 0.5)
        # OpenCV rounds positions to a 32nd of a pixel.
        assert np.abs(found[number] - expected).max() < 0.07
        assert np.abs(found[number] - expected).mean() < 0.006


def test_whole_positions_give_the_pixels_themselves():
    held = canvases(still("a", 1), still("b", 2, 20, 30))
    y, x = np.mgrid[:20, :30].astype(np.float32)
    found = sampled(held, [1], [0], x[None], y[None], [False])
    assert np.array_equal(np.round(found[0] * 255).astype(np.uint8), picture(2, 20, 30))


def test_boxes_are_those_of_the_masks():
    mask = np.zeros((40, 60), np.uint8)
    mask[5:15, 20:50] = 255
    pixels = np.dstack([np.zeros((40, 60, 3), np.uint8), mask])[None]
    empty = np.zeros_like(pixels)
    held = canvases(*(Footage("x", "x", p, np.zeros(1, int)) for p in (pixels, empty)))
    assert held.boxes.tolist() == [[5, 20, 10, 30, 300], [0, 0, 0, 0, 0]]


def test_a_camera_that_stands_is_seen_to_stand():
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 256, (1, 60, 80, 4), np.uint8)
    scene[..., 3] = 0
    standing = scene.repeat(6, 0)
    for t in range(6):
        standing[t, 10:30, 10 + 8 * t : 20 + 8 * t] = 255  # something crosses it
    assert is_static(standing)
    assert not is_static(np.stack([np.roll(scene[0], 3 * t, axis=1) for t in range(6)]))
    assert not is_static(standing[:1])
