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
    nearer,
    placed,
)
from threedcseg.training.clips.synthetic import SyntheticClips
from threedcseg.training.clips.video import VideoClips

SIZE = (40, 60)
AT_REST = Motion(shift=0, zoom=0, turn=0, bend=0, shake=0)
AS_IT_IS = Augmentation(scale=(1, 1), stretch=0, flip=0)


def rest(num_frames=1):
    return motion_fields(*SIZE, num_frames, AT_REST, np.random.default_rng(0))


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
