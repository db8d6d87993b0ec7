"""Objects keep their numbers from frame to frame: alone, in parts, touching, hidden, and back."""

import numpy as np
import pytest

from threedcseg.outputs.regions import number_map
from threedcseg.outputs.tracking import PATIENCE, ObjectTracker

HEIGHT, WIDTH = 100, 160
RED, BLUE = (200, 40, 40), (40, 60, 200)
Box = tuple[int, int, int, int]


def scene(*boxes: Box) -> np.ndarray:
    """``(100, 160)`` bool with rectangles ``x, y, width, height``."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for x, y, width, height in boxes:
        mask[max(0, y) : y + height, max(0, x) : max(0, x + width)] = True
    return mask


def picture(*boxes: tuple[Box, tuple[int, int, int]]) -> np.ndarray:
    """``(100, 160, 3)``: gray, with coloured rectangles, the last ones before the others."""
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for box, color in boxes:
        image[scene(box)] = color
    return image


def numbers(tracker: ObjectTracker, mask: np.ndarray, cut: bool = False) -> dict[int, int]:
    """Tracks by the x of their box, in a picture that tells nothing."""
    return {item.x: item.track for item in tracker.update(mask, picture(), cut)}


def at(tracker: ObjectTracker, mask: np.ndarray, image: np.ndarray) -> np.ndarray:
    return number_map(tracker.update(mask, image), HEIGHT, WIDTH)


def test_an_object_is_its_box_its_pixels_and_its_area() -> None:
    mask = scene((10, 20, 30, 40))
    mask[20, 10] = False
    (item,) = ObjectTracker().update(mask, picture())
    assert (item.x, item.y, item.width, item.height, item.area) == (10, 20, 30, 40, 1199)
    assert np.array_equal(item.region, mask[20:60, 10:40]) and item.track == 1


def test_corners_connect_and_specks_do_not_count() -> None:
    mask = scene((10, 10, 5, 5), (15, 15, 5, 5), (100, 50, 1, 1))
    assert [item.area for item in ObjectTracker().update(mask, picture())] == [50]


def test_crossing_order_does_not_matter() -> None:
    tracker = ObjectTracker()
    first = numbers(tracker, scene((10, 10, 30, 30), (100, 50, 20, 20)))
    assert first == {10: 1, 100: 2}, "the largest comes first"
    second = numbers(tracker, scene((14, 12, 10, 10), (96, 50, 24, 24)))
    assert second == {14: 1, 96: 2}, "also where the other is larger now"


def test_what_is_too_fast_to_overlap_is_followed_but_not_across_the_frame() -> None:
    tracker = ObjectTracker()
    assert numbers(tracker, scene((10, 10, 8, 8))) == {10: 1}
    assert numbers(tracker, scene((19, 10, 8, 8))) == {19: 1}
    assert numbers(tracker, scene((120, 80, 8, 8))) == {120: 2}


def test_a_part_that_breaks_off_stays_until_it_is_away() -> None:
    tracker = ObjectTracker()
    numbers(tracker, scene((20, 20, 60, 20)))
    both = scene((20, 20, 40, 20), (64, 20, 16, 20))
    (item,) = tracker.update(both, picture())
    assert (item.track, item.area) == (1, 1120), "one object of two regions"
    for i in range(1, 8):
        numbers(tracker, scene((20, 20, 40, 20), (64 + 6 * i, 20, 16, 20)))
    assert numbers(tracker, scene((20, 20, 40, 20), (112, 20, 16, 20))) == {20: 1, 112: 2}


@pytest.mark.parametrize(("hidden", "track"), [(PATIENCE - 1, 1), (PATIENCE + 1, 2)])
def test_out_of_sight_for_a_while(hidden: int, track: int) -> None:
    tracker = ObjectTracker()
    for _ in range(PATIENCE):
        numbers(tracker, scene((20, 20, 30, 20)))
    for _ in range(hidden):
        assert numbers(tracker, scene()) == {}
    assert numbers(tracker, scene((22, 20, 30, 20))) == {22: track}


def test_what_comes_back_elsewhere_is_known_by_its_colours() -> None:
    tracker = ObjectTracker()
    left, right = (10, 30, 20, 30), (110, 30, 20, 30)
    for _ in range(12):
        at(tracker, scene(left, right), picture((left, RED), (right, BLUE)))
    for _ in range(10):
        at(tracker, scene(), picture())
    between = (60, 30, 20, 30)
    assert at(tracker, scene(between), picture((between, BLUE)))[40, 70] == 2


def test_a_cut_makes_all_new() -> None:
    tracker = ObjectTracker()
    numbers(tracker, scene((20, 20, 30, 20)))
    assert numbers(tracker, scene((20, 20, 30, 20)), cut=True) == {20: 2}


@pytest.mark.parametrize("red_in_front", [True, False])
def test_two_that_cross_are_told_apart_while_they_touch_and_after(red_in_front: bool) -> None:
    tracker, right = ObjectTracker(), []
    for i in range(50):
        red, blue = (5 + 2 * i, 30, 34, 34), (115 - 2 * i, 34, 26, 34)
        both = [(red, RED), (blue, BLUE)]
        image = picture(*(both[::-1] if red_in_front else both))
        found = at(tracker, scene(red, blue), image)
        for number, color in ((1, RED), (2, BLUE)):
            seen = (image == color).all(axis=2)
            if seen.sum() > 200:
                right.append(np.mean(found[seen] == number))
    assert np.mean(right) > 0.95, f"{np.mean(right):.3f}"
    assert right[-1] == right[-2] == 1, "and they have not changed their numbers"


def test_two_that_touch_and_part_again_keep_their_pixels() -> None:
    """Of one colour: only the shapes tell them apart."""
    tracker = ObjectTracker()
    for i in range(40):
        away = abs(i - 20)
        left, right = (40 - away, 30, 30, 34), (69 + away, 34, 26, 34)
        found = at(tracker, scene(left, right), picture((left, RED), (right, RED)))
        assert np.mean(found[scene(left)] == 1) > 0.85, i
        assert np.mean(found[scene(right)] == 2) > 0.85, i


def test_behind_a_pillar_and_out_again() -> None:
    tracker = ObjectTracker()
    pillar = scene((70, 0, 26, HEIGHT))
    last = 0
    for i in range(60):
        box = (2 * i, 30, 20, 30)
        found = at(tracker, scene(box) & ~pillar, picture((box, RED), ((70, 0, 26, 100), BLUE)))
        last = int(found[40, min(WIDTH - 1, 2 * i + 18)])
    assert last == 1


@pytest.mark.parametrize("drift", [0, 1])
def test_what_comes_back_in_pieces_is_what_was_mostly_hidden(drift: int) -> None:
    """A tall thing, of which for a while only the head is found; the rest comes back in shadow."""
    tracker = ObjectTracker()
    for i in range(30):
        x = 40 + drift * i
        head, rest = (x, 5, 12, 30), (x, 45, 12, 45)
        parts = [(x, 5, 12, 85)] if i < 10 else [head] if i < 16 else [head, rest]
        image = picture((head, RED), ((x, 35, 12, 55), RED if i < 16 else BLUE))
        found = at(tracker, scene(*parts), image)
        assert set(np.unique(found)) == {0, 1}, f"frame {i}"


def test_all_of_the_mask_but_specks_is_of_some_object() -> None:
    rng = np.random.default_rng(0)
    tracker = ObjectTracker()
    for i in range(30):
        boxes = [(int(60 + 50 * np.sin(i / 5 + k)), 10 + 25 * k, 40, 30) for k in range(3)]
        mask = scene(*boxes)
        found = at(tracker, mask, rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
        assert np.array_equal(found > 0, mask)


def test_memory_does_not_grow_with_what_was_lost() -> None:
    tracker = ObjectTracker()
    rng = np.random.default_rng(0)
    for _ in range(150):
        x, y = rng.integers(0, 140), rng.integers(0, 80)
        numbers(tracker, scene((int(x), int(y), 6, 6)))
    assert len(tracker._tracks) < 40


def test_many_regions_are_matched_fast() -> None:
    """As a network that has learnt nothing makes them."""
    rng = np.random.default_rng(0)
    mask = np.kron(rng.random((60, 80)) < 0.3, np.ones((6, 6), bool)) > 0
    image = np.zeros((*mask.shape, 3), np.uint8)
    tracker = ObjectTracker()
    first = [item.track for item in tracker.update(mask, image)]
    assert len(first) > 200
    assert [item.track for item in tracker.update(mask, image)] == first
