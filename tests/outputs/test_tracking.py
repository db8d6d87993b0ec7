"""Connected objects keep their numbers from frame to frame."""

import numpy as np
import pytest

from threedcseg.outputs.tracking import ObjectTracker, connected_objects


def scene(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """``(100, 160)`` bool with rectangles ``x, y, width, height``."""
    mask = np.zeros((100, 160), bool)
    for x, y, width, height in boxes:
        mask[y : y + height, x : x + width] = True
    return mask


def gray(mask: np.ndarray) -> np.ndarray:
    """``(H, W, 3)``: a picture that tells nothing."""
    return np.full((*mask.shape, 3), 90, np.uint8)


def numbers(tracker: ObjectTracker, mask: np.ndarray, cut: bool = False) -> dict[int, int]:
    """Tracks by the x of their box."""
    return {item.x: item.track for item in tracker.update(mask, gray(mask), cut)}


def test_an_object_is_its_box_its_pixels_and_its_area() -> None:
    mask = scene((10, 20, 30, 40))
    mask[20, 10] = False
    (item,) = connected_objects(mask)
    assert (item.x, item.y, item.width, item.height, item.area) == (10, 20, 30, 40, 1199)
    assert np.array_equal(item.region, mask[20:60, 10:40])


def test_corners_connect_and_specks_do_not_count() -> None:
    mask = scene((10, 10, 5, 5), (15, 15, 5, 5), (100, 50, 1, 1))
    assert [item.area for item in connected_objects(mask)] == [50]


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


def test_a_part_that_breaks_off_is_new() -> None:
    tracker = ObjectTracker()
    numbers(tracker, scene((20, 20, 60, 20)))
    assert numbers(tracker, scene((20, 20, 40, 20), (64, 20, 16, 20))) == {20: 1, 64: 2}
    assert numbers(tracker, scene((20, 20, 60, 20))) == {20: 1}


@pytest.mark.parametrize(("hidden", "track"), [(11, 1), (12, 2)])
def test_out_of_sight_for_a_while(hidden: int, track: int) -> None:
    tracker = ObjectTracker()
    numbers(tracker, scene((20, 20, 30, 20)))
    for _ in range(hidden):
        assert numbers(tracker, scene()) == {}
    assert numbers(tracker, scene((22, 20, 30, 20))) == {22: track}


def test_a_cut_makes_all_new() -> None:
    tracker = ObjectTracker()
    numbers(tracker, scene((20, 20, 30, 20)))
    assert numbers(tracker, scene((20, 20, 30, 20)), cut=True) == {20: 2}


def test_many_regions_are_matched_fast() -> None:
    """As a network that has learnt nothing makes them."""
    rng = np.random.default_rng(0)
    mask = np.kron(rng.random((60, 80)) < 0.3, np.ones((6, 6), bool)) > 0
    tracker = ObjectTracker()
    first = [item.track for item in tracker.update(mask, gray(mask))]
    assert len(first) > 200
    assert [item.track for item in tracker.update(mask, gray(mask))] == first
