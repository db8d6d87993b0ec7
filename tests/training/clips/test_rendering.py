import cv2
import numpy as np
import pytest
import torch
from made_footage import canvases, picture, still, video

from threedcseg.datasets.packs import Footage
from threedcseg.training.clips.draw import Draw
from threedcseg.training.clips.geometry import moving, placement, rectangle
from threedcseg.training.clips.geometry import still as standing
from threedcseg.training.clips.rendering import Layer, fields, level_of, render, window_of
from threedcseg.training.clips.synthesis import Motion

SIZE = (40, 56)
WHOLE = (0, 0, *SIZE)


@pytest.fixture
def held():
    """Pictures 0 and 1 are stills, 2 to 9 a video, 10 a still four times as large."""
    large = still("large", 3, 200, 240)
    return canvases(still("a", 1), still("b", 2, colour=(20, 30, 230)), video("v", 8), large)


def whole(number, seed, is_object=False):
    warp = moving(Draw(seed), 4, SIZE, Motion())
    return Layer(np.full(4, number), warp.then(rectangle(2, 3, 40, 56, SIZE)), is_object)


def placed(held, number, seed, centre, height, is_object=False):
    warp = moving(Draw(seed), 4, SIZE, Motion(bend=0.02), centre=centre)
    box = tuple(held.boxes[number, :4])
    return Layer(np.full(4, number), warp.then(placement(box, centre, height)), is_object)


def plainly(held, pictures, layers):
    """Each frame by OpenCV and numpy, layer by layer: (T, H, W, 4) with RGB in [0, 1]."""
    out = []
    for t in range(4):
        frame = mask = None
        for layer in layers:
            image = pictures[layer.pictures[t]]
            x, y = fields([layer.warp], SIZE, WHOLE, held.device)
            field = x[t].numpy(), y[t].numpy()
            border = cv2.BORDER_REFLECT_101 if frame is None else cv2.BORDER_CONSTANT
            front = cv2.remap(image[..., :3].copy(), *field, cv2.INTER_LINEAR, borderMode=border)
            alpha = cv2.remap(image[..., 3].copy(), *field, cv2.INTER_LINEAR, borderMode=border)
            if frame is None:
                frame = front / 255
                mask = (alpha > 127) * layer.is_object
                continue
            ones = np.ones(SIZE, np.float32)
            around = [
                cv2.blur(p, (3, 3), borderType=cv2.BORDER_CONSTANT) for p in (alpha / 255, ones)
            ]
            soft = around[0] / around[1]
            frame = frame * (1 - soft[..., None]) + front / 255 * soft[..., None]
            mask = np.where(soft > 0.5, layer.is_object, mask)
        out.append(np.dstack([frame, mask]))
    return np.stack(out)


def test_layers_are_pasted_as_the_slow_version_pastes_them(held):
    pictures = {0: picture(1, 48, 64), 1: picture(2, 48, 64, (20, 30, 230))}
    clips = [
        [whole(0, 1), placed(held, 1, 2, (20, 20), 22, True), placed(held, 0, 3, (30, 15), 15)],
        [whole(1, 4, is_object=True)],
        [whole(1, 5), placed(held, 0, 6, (50, 35), 25, True)],
    ]
    found = render(held, clips, SIZE).numpy()
    assert found.shape == (3, 4, *SIZE, 4)
    for one, layers in zip(found, clips, strict=True):
        expected = plainly(held, pictures, layers)
        apart = np.abs(one[..., :3] - expected[..., :3])
        assert apart.mean() < 0.004 and np.quantile(apart, 0.99) < 0.05
        assert set(np.unique(one[..., 3])) <= {0, 1}
        assert (one[..., 3] != expected[..., 3]).mean() < 0.005
        assert expected[..., 3].mean() > 0.01


def test_clips_do_not_depend_on_what_is_rendered_with_them(held):
    clips = [
        [whole(0, 1), placed(held, 1, 2, (20, 20), 22, True)],
        [whole(1, 5), placed(held, 0, 6, (40, 25), 25, True), placed(held, 0, 7, (10, 9), 9)],
    ]
    together = render(held, clips, SIZE)
    for number, clip in enumerate(clips):
        torch.testing.assert_close(together[number], render(held, [clip], SIZE)[0])


def test_a_window_holds_all_that_a_layer_shows(held):
    for seed in range(20):
        draw = Draw(seed)
        centre = draw.number(-10, 66), draw.number(-10, 50)
        layer = placed(held, seed % 2, seed, centre, draw.number(8, 60))
        top, left, bottom, right = window_of(held, [layer], SIZE)
        x, y = fields([layer.warp], SIZE, WHOLE, held.device)
        alpha = held.sample(layer.pictures, np.zeros(4, int), x, y, np.zeros(4, bool))[..., 3] > 0
        seen = alpha.any(0).numpy()
        outside = seen.copy()
        outside[top:bottom, left:right] = False
        assert not outside.any()
        if seen.any():  # and little more
            extent = np.ptp(np.argwhere(seen), axis=0) + 1
            assert bottom - top <= extent[0] + 14 and right - left <= extent[1] + 14


def test_a_video_moves_by_itself(held):
    cut = standing(8).then(rectangle(0, 0, *SIZE, SIZE))
    found = render(held, [[Layer(np.arange(2, 10), cut, True)]], SIZE)[0].numpy()
    for t in range(8):
        rolled = np.roll(picture(0, 48, 64), t, axis=1)[: SIZE[0], : SIZE[1]]
        assert np.array_equal(np.round(found[t, ..., :3] * 255), rolled[..., :3])
        assert np.array_equal(found[t, ..., 3] > 0, rolled[..., 3] > 0)


def test_what_is_shown_smaller_is_averaged(held):
    assert [level_of(scale) for scale in (0.2, 1.0, 1.49, 1.51, 2.9, 3.1, 50)] == [
        0,
        0,
        0,
        1,
        1,
        2,
        2,
    ]
    cut = standing(1).then(rectangle(0, 0, 200, 240, (50, 60)))  # four pixels to one
    found = render(held, [[Layer(np.array([10]), cut, True)]], (50, 60))[0, 0].numpy()
    expected = cv2.resize(picture(3, 200, 240), (60, 50), interpolation=cv2.INTER_AREA)
    assert np.abs(found[..., :3] * 255 - expected[..., :3]).max() <= 3
    assert np.array_equal(found[..., 3] > 0.5, expected[..., 3] > 127)


@pytest.mark.parametrize("scale", [0.5, 4.0])  # the second is read from a smaller copy
def test_a_line_covers_the_points_near_it(scale):
    white = np.full((1, 160, 224, 4), 255, np.uint8)
    black = np.zeros_like(white)
    held = canvases(*(Footage("x", "x", p, np.zeros(1, int)) for p in (black, white)))
    look = rectangle(0, 0, SIZE[0] * scale, SIZE[1] * scale, SIZE)
    a, b, c = np.array([0.6, 0.8, -30.0]) @ np.linalg.inv(np.vstack([look, [0, 0, 1]]))
    ground = Layer(np.zeros(1, int), standing(1).then(look))
    line = Layer(np.ones(1, int), ground.warp, line=(a, b, c, 3.0))
    found = render(held, [[ground, line]], SIZE)[0, 0, ..., 0].numpy()
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    expected = np.clip(3.5 - np.abs(0.6 * x + 0.8 * y - 30), 0, 1)
    assert found == pytest.approx(expected, abs=1e-3)
