from dataclasses import replace

import numpy as np
import pytest
from made_trees import box, davis16_tree, write_labels
from PIL import Image

from threedcseg.datasets.davis import davis16
from threedcseg.datasets.sequence import Sequence
from threedcseg.training.clips.augmentation import Augmentation
from threedcseg.training.clips.synthesis import (
    Motion,
    Sprite,
    SyntheticScene,
    bar,
    compose,
    middle,
    motion_fields,
    moving_still,
    nearer,
    piecewise_affine,
    placed,
)
from threedcseg.training.clips.synthetic import SyntheticClips
from threedcseg.training.clips.video import VideoClips

SIZE = (40, 60)
AT_REST = Motion(shift=0, zoom=0, turn=0, bend=0, shake=0)
AS_IT_IS = Augmentation(scale=(1, 1), stretch=0, flip=0)


def rest(num_frames=1, size=SIZE):
    return motion_fields(*size, num_frames, AT_REST, np.random.default_rng(0))


def plain(colour):
    return np.full((*SIZE, 3), colour, np.uint8)


def square(top, left, side=10):
    mask = np.zeros(SIZE, np.uint8)
    mask[top : top + side, left : left + side] = 255
    return mask


def test_nearer_layers_hide_farther_ones_and_only_objects_are_in_the_mask():
    behind = Sprite([plain(50)], [square(0, 0)], rest())
    thing = Sprite([plain(150)], [square(5, 5)], rest(), is_object=True)
    before = Sprite([plain(250)], [square(10, 10)], rest())
    frames, masks = compose(plain(0), rest(), [behind, thing, before])
    assert [frames[0, i, i, 0] for i in (2, 7, 12, 30)] == [50, 150, 250, 0]
    expected = square(5, 5)
    expected[10:20, 10:20] = 0
    assert np.array_equal(masks[0], expected)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_a_placed_thing_is_where_it_should_be_and_as_large(scale):
    mask = square(4, 8, side=12)
    layer = Sprite([plain(200)], [mask], placed(rest(), mask, (40, 20), scale), is_object=True)
    seen = compose(plain(0), rest(), [layer])[1][0]
    assert middle(seen) == pytest.approx((40, 20), abs=1)
    assert seen.sum() / mask.sum() == pytest.approx(scale**2, rel=0.2)


def test_what_is_near_moves_more():
    fields = motion_fields(*SIZE, 5, Motion(shake=0, bend=0), np.random.default_rng(1))
    still = rest()[0]
    for far, near in zip(fields, nearer(fields, 1.5), strict=True):
        np.testing.assert_allclose(near - still, 1.5 * (far - still), atol=1e-4)


def affine_of(field, inside):
    """The affine map (3, 2) that fits a field best where ``inside``, and how far it is off."""
    y, x = np.nonzero(inside)
    points = np.stack([x, y, np.ones(len(x))], axis=-1)
    found = np.linalg.lstsq(points, field[inside], rcond=None)[0]
    return found, np.abs(points @ found - field[inside]).max()


def test_bends_are_affine_in_two_triangles_a_cell():
    """Of 3 x 3 cells of 12 x 16 pixels; neighbours meet in the edge that they share."""
    control = np.random.default_rng(0).normal(0, 3, (4, 4, 2))
    field = piecewise_affine(control, 37, 49)
    np.testing.assert_allclose(field[::12, ::16], control, atol=1e-12)
    y, x = np.mgrid[:37, :49]
    for top, left in np.ndindex(3, 3):
        down, across = y / 12 - top, x / 16 - left
        cell = (down >= 0) & (down <= 1) & (across >= 0) & (across <= 1)
        first, far = affine_of(field, cell & (down + across <= 1 + 1e-9))
        second, away = affine_of(field, cell & (down + across >= 1 - 1e-9))
        assert max(far, away) < 1e-9
        assert np.abs(first - second).max() > 1e-3


def test_the_piecewise_affine_motion_is_chained_upon_the_affine():
    size, motion = (37, 49), Motion(shift=0.2, zoom=0.3, turn=20, bend=0.1, shake=0)
    both, affine, bent = (
        motion_fields(*size, 3, part, np.random.default_rng(4))
        for part in (motion, replace(motion, bend=0), Motion(0, 0, 0, motion.bend, 0))
    )
    grid = rest(size=size)[0]
    for t, (one, plain_field, bend) in enumerate(zip(both, affine, bent, strict=True)):
        map_of, far = affine_of(plain_field, np.ones(size, bool))
        assert far < 1e-3
        np.testing.assert_allclose(one, bend @ map_of[:2] + map_of[2], atol=1e-3)
        assert np.abs(bend - grid).max() > 0.5 or t == 1  # nothing moves in the middle
    assert np.array_equal(both[1], grid)


def test_masks_move_with_their_frames():
    """A bright object before a dark ground: the mask can be read off each frame."""
    mask = square(8, 18, side=24)
    image = np.where(mask[..., None] > 0, np.uint8(230), plain(20))
    motion = Motion(shift=0.4, bend=0.1)
    fields = motion_fields(*SIZE, 5, motion, np.random.default_rng(1))
    whole = moving_still(image, mask, 5, motion, np.random.default_rng(1))
    pasted = compose(plain(20), rest(5), [Sprite([image] * 5, [mask] * 5, fields, True)])
    for frames, masks in (whole, pasted):
        assert ((masks > 0) != (frames[..., 0] > 125)).mean() < 0.015
        assert (masks[0] != masks[-1]).mean() > 0.1


def test_bars_cross_the_frame():
    for seed in range(30):
        mask = bar(*SIZE, np.random.default_rng(seed))
        assert set(np.unique(mask)) <= {0, 255}
        assert (mask > 0).mean() < 0.4


def stills(folder, colours):
    """Pictures of one colour each, with a square of it for an object."""
    found = []
    for colour in colours:
        image = folder / f"{colour}.png"
        Image.fromarray(plain(colour)).save(image)
        mask = write_labels(folder / f"{colour}.png.mask.png", square(10, 20, side=20))
        found.append(Sequence(str(colour), (image,), (mask,)))
    return found


def test_the_mask_of_a_scene_is_the_object_that_moves(tmp_path):
    """Distractors and occluders of other colours never count as the object."""
    source = SyntheticClips(
        stills(tmp_path, [40, 120, 200]),
        Motion(shift=0.3),
        1.0,
        SyntheticScene(3, 2, twins=0, wiggle=1),
    )
    seen = 0
    for seed in range(20):
        frames, masks, _ = source.draw(4, SIZE, AS_IT_IS, np.random.default_rng(seed))
        assert frames.shape == (4, *SIZE, 3) and set(np.unique(masks)) <= {0, 255}
        for frame, mask in zip(frames, masks, strict=True):
            if (mask > 0).sum() > 60:  # the object is of one colour, but for its edge
                values, counts = np.unique(frame[mask > 0][:, 0], return_counts=True)
                assert counts.max() > 0.4 * counts.sum(), values
                seen += 1
    assert seen > 20


def test_clips_are_played_backwards_as_often_as_is_asked(tmp_path):
    sequences = davis16(davis16_tree(tmp_path, {"bear": 9}))
    for reverse, order in ((0.0, 1), (1.0, -1)):
        for seed in range(5):
            clips = VideoClips(sequences, reverse=reverse)
            _, _, files = clips.draw(3, SIZE, AS_IT_IS, np.random.default_rng(seed))
            assert list(files) == sorted(files)[::order]


def test_a_copied_and_pasted_object_keeps_its_pixels_and_loses_its_surroundings(tmp_path):
    sequences = davis16(davis16_tree(tmp_path, {"bear": 6}))
    scene = SyntheticClips(stills(tmp_path, [7]), AT_REST, 1.0)
    size = box().shape
    for seed in range(5):
        rng = np.random.default_rng(seed)
        plain_clip = VideoClips(sequences).draw(3, size, AS_IT_IS, rng)
        rng = np.random.default_rng(seed)
        moved = VideoClips(sequences, copy_paste=1.0, surroundings=scene)
        frames, masks, sources = moved.draw(3, size, AS_IT_IS, rng)
        assert sources == (*plain_clip.sources, str(tmp_path / "7.png"))
        assert np.array_equal(masks, plain_clip[1])
        inside = masks > 0
        difference = np.abs(frames.astype(int) - plain_clip[0]).max(axis=-1)
        assert np.median(difference[inside]) <= 1
        assert np.median(frames[~inside]) == 7
