import cv2
import numpy as np
import pytest
import torch

from threedcseg.training.clips.draw import Draw
from threedcseg.training.clips.geometry import (
    IDENTITY,
    Warp,
    crop,
    moving,
    placement,
    rectangle,
    shifted,
    still,
)
from threedcseg.training.clips.rendering import fields
from threedcseg.training.clips.synthesis import Motion

SIZE = (36, 52)
CPU = torch.device("cpu")


def points(warp, size=SIZE, window=None):
    """``(T, H, W, 2)`` of one warp."""
    x, y = fields([warp], size, window or (0, 0, *size), CPU)
    return torch.stack([x, y], -1).numpy()


def plainly(warp, size=SIZE):
    """The same pixel by pixel, bends enlarged by OpenCV, which places points a little otherwise."""
    out = np.empty((len(warp.matrix), *size, 2))
    for t, (matrix, bend) in enumerate(zip(warp.matrix, warp.bend, strict=True)):
        bends = [torch.from_numpy(b)[None, None] for b in bend]
        up = [
            torch.nn.functional.interpolate(b, size, mode="bicubic", align_corners=False)[0, 0]
            for b in bends
        ]
        for y in range(size[0]):
            for x in range(size[1]):
                out[t, y, x] = matrix @ (x, y, 1) + (float(up[0][y, x]), float(up[1][y, x]))
    return out


def any_warp(seed=0, clip_length=3):
    return moving(Draw(seed), clip_length, SIZE, Motion(bend=0.1))


def test_fields_are_what_warps_say():
    for seed in range(3):
        assert points(any_warp(seed)) == pytest.approx(plainly(any_warp(seed)), abs=1e-3)


def test_a_window_has_the_points_of_the_whole():
    whole = points(any_warp())
    assert points(any_warp(), window=(5, 7, 20, 40)) == pytest.approx(whole[:, 5:20, 7:40])


def test_a_motion_is_that_of_the_slow_version():
    """`synthesis.motion_fields`, but for bends: rotation, zoom and shift about a centre."""
    motion = Motion(bend=0, shake=0)
    draw, again = Draw(5), Draw(5)
    found = points(moving(draw, 5, SIZE, motion, 0.7, (20, 10)))
    shift = again.uniform(-1, 1, 2) * motion.shift * 0.7
    zoom = again.number(-1, 1) * motion.zoom * 0.7
    turn = np.deg2rad(again.number(-1, 1) * motion.turn * 0.7)
    grid = np.stack(np.meshgrid(np.arange(SIZE[1]), np.arange(SIZE[0])), -1)
    for field, phase in zip(found, np.linspace(-0.5, 0.5, 5), strict=True):
        scale, angle = np.exp(phase * zoom), phase * turn
        cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
        away = grid - (20, 10) - phase * shift * (SIZE[1], SIZE[0])
        expected = away @ np.array([[cos, sin], [-sin, cos]]).T + (20, 10)
        assert field == pytest.approx(expected, abs=1e-3)


def test_warps_are_followed_by_affine_maps():
    affine = np.array([[0.5, 0.1, 3.0], [-0.2, 2.0, 1.0]])
    expected = points(any_warp()) @ affine[:, :2].T + affine[:, 2]
    assert points(any_warp().then(affine)) == pytest.approx(expected, abs=1e-3)
    each = np.stack([affine, affine * 2, affine * 3])
    several = points(any_warp().then(each))
    assert several[1] == pytest.approx(2 * expected[1], abs=2e-3)


def test_what_is_nearer_moves_further():
    warp = any_warp()
    grid = points(still(3))
    assert points(warp.nearer(1.5)) - grid == pytest.approx(1.5 * (points(warp) - grid), abs=1e-3)
    both = points(warp.plus(any_warp(1))) - grid
    assert both == pytest.approx(points(warp) + points(any_warp(1)) - 2 * grid, abs=1e-3)


def test_what_is_shifted_is_seen_further_on():
    warp = Warp(any_warp().matrix, np.zeros((3, 2, 4, 4)))
    offsets = np.array([[4, 2], [0, 0], [-3, 5]])
    moved = points(shifted(warp, offsets))
    assert moved[0, 10 + 2, 20 + 4] == pytest.approx(points(warp)[0, 10, 20], abs=1e-3)
    assert moved[1] == pytest.approx(points(warp)[1])
    assert moved[2, 10 + 5, 20 - 3] == pytest.approx(points(warp)[2, 10, 20], abs=1e-3)


def test_a_rectangle_is_shown_as_opencv_would_resize_it():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (80, 100), np.uint8)
    for mirrored in (False, True):
        warp = still(1).then(rectangle(10, 20, 24, 40, (48, 80), mirrored))
        field = points(warp, (48, 80))[0]
        found = cv2.remap(image, field[..., 0], field[..., 1], cv2.INTER_LINEAR)
        expected = cv2.resize(image[10:34, 20:60], (80, 48), interpolation=cv2.INTER_LINEAR)
        expected = expected[:, ::-1] if mirrored else expected
        inner = slice(2, -2), slice(2, -2)
        assert np.abs(found[inner].astype(int) - expected[inner]).max() <= 4


def test_crops_lie_inside_their_source():
    draw = Draw(0)
    for _ in range(50):
        matrix = crop(draw, (90, 70), SIZE, (0.4, 1.0), 0.2)
        corners = np.array([[-0.5, -0.5, 1], [SIZE[1] - 0.5, SIZE[0] - 0.5, 1]]).T
        seen = matrix @ corners
        assert seen.min() >= -0.5 - 1e-9
        assert seen[0].max() <= 70 - 0.5 + 1e-9 and seen[1].max() <= 90 - 0.5 + 1e-9
        ratio = abs(matrix[0, 0]) / matrix[1, 1]
        assert np.exp(-0.2) <= ratio <= np.exp(0.2)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_box_is_placed_where_it_is_wanted(mirrored):
    matrix = placement((10, 20, 40, 30), (25.0, 18.0), 20.0, mirrored)
    middle = matrix @ (25, 18, 1)
    assert middle == pytest.approx([20 + 29 / 2, 10 + 39 / 2])
    assert abs(matrix[0, 0]) == matrix[1, 1] == 2  # 40 rows in 20
    assert (matrix[0, 0] < 0) == mirrored
    wide = placement((0, 0, 10, 140), (0, 0), 20.0)
    assert wide[1, 1] == 5  # 140 columns in 1.4 times 20


def test_bends_grow_towards_both_ends():
    """Of the whole clip alike: control points at 3 % of the frame, in both directions."""
    motion = Motion(shift=0, zoom=0, turn=0, bend=0.06, shake=0)
    warps = [moving(Draw(seed), 5, SIZE, motion) for seed in range(30)]
    grid = points(still(5))
    moved = np.stack([points(warp) - grid for warp in warps])  # (30, 5, H, W, 2)
    far = np.abs(moved).mean((0, 2, 3, 4))
    assert far[0] > 1.5 * far[1] > 0.1 and far[4] > 1.5 * far[3] > 0.1
    controls = np.stack([warp.bend[0] for warp in warps])  # of phase -1/2: variance 1/4 + 1/16
    expected = 0.03 * np.array([SIZE[1], SIZE[0]]) * (1 / 4 + 1 / 16) ** 0.5
    assert controls.std((0, 2, 3)) == pytest.approx(expected, rel=0.15)


def test_nothing_moves_in_the_middle_of_a_motion():
    warp = moving(Draw(3), 5, SIZE, Motion(shake=0))
    assert warp.matrix[2] == pytest.approx(IDENTITY) and not warp.bend[2].any()
    assert warp.scale == pytest.approx(1, abs=0.1)
