import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label, median_filter

from threedcseg.inference.postprocessing import drop_regions, drop_unsure, median_over_time


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 12), st.sampled_from([1, 3, 5, 7]))
def test_the_median_over_time_is_that_of_scipy(count, length):
    maps = np.random.default_rng(count).random((count, 4, 5), np.float32)
    frames, found = zip(*median_over_time(enumerate(maps), length), strict=True)
    expected = median_filter(maps, size=(length, 1, 1), mode="nearest")
    assert frames == tuple(range(count))
    assert np.array_equal(np.stack(found), expected)


def test_the_median_awaits_half_of_its_length():
    read = []

    def maps():
        for index in range(20):
            read.append(index)
            yield index, np.full((2, 2), index, np.float32)

    delays = [len(read) - 1 - index for index, _ in median_over_time(maps(), 5)]
    assert delays[:18] == [2] * 18


def test_no_maps():
    assert list(median_over_time([], 3)) == []


def blobs(seed):
    """Random regions of many sizes, ``(40, 60)`` float32."""
    rng = np.random.default_rng(seed)
    values = rng.random((40, 60), np.float32) * 0.4
    for _ in range(12):
        top, left = rng.integers(0, 36), rng.integers(0, 56)
        values[top : top + rng.integers(1, 9), left : left + rng.integers(1, 9)] += 0.5
    return values.clip(0, 1)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("keep", "share"), [(1, 0.0), (3, 0.0), (None, 0.01), (2, 0.02), (99, 0)])
def test_regions_that_stay_are_the_largest_and_no_specks(seed, keep, share):
    values = blobs(seed)
    labels, count = label(values > 0.5, np.ones((3, 3)))
    areas = [int((labels == number).sum()) for number in range(1, count + 1)]
    left, regions = label(drop_regions(values, 0.5, keep, share) > 0.5, np.ones((3, 3)))
    found = sorted(int((left == number).sum()) for number in range(1, regions + 1))
    wanted = sorted(areas, reverse=True)[:keep]
    assert found == sorted(area for area in wanted if area >= share * values.size)


def test_what_stays_is_not_touched_and_the_border_of_what_goes_goes_with_it():
    values = np.full((20, 40), 0.1, np.float32)
    values[5:15, 5:15] = 0.9
    values[8:11, 30:33] = 0.8
    values[7:12, 29] = 0.4
    cleaned = drop_regions(values, 0.5, 1, 0.0)
    assert np.array_equal(cleaned[:, :20], values[:, :20])
    assert not cleaned[:, 26:].any()


def test_all_may_go_and_nothing_may_be_there():
    values = np.full((10, 10), 0.1, np.float32)
    assert drop_regions(values, 0.5, 1, 0.1) is values
    values[3, 3] = 0.9
    assert not drop_regions(values, 0.5, None, 0.1).any()
    assert drop_regions(values, 0.5, None, 0.0) is values
    assert np.array_equal(drop_regions(np.ones((4, 4), np.float32), 0.5, 1, 0.1), np.ones((4, 4)))


def test_pixels_at_the_threshold_are_no_region():
    values = np.zeros((6, 12), np.float32)
    values[:, :5], values[2:4, 9:11] = 0.5, 0.9
    kept = drop_regions(values, 0.5, keep_largest=1, drop_specks=0.0)
    assert (kept > 0.5).sum() == 4


def kept_of(*maps, least=0.9, short_edge=40):
    """What `drop_unsure` leaves of each of some maps ``(40, 60)``."""
    found = list(drop_unsure(enumerate(maps), 0.5, least, short_edge))
    assert [frame for frame, _ in found] == list(range(len(maps)))
    return [probabilities for _, probabilities in found]


def scene(*squares):
    """``(40, 60)`` float32, 0.1 but for squares of 12 pixels, each ``(left, probability)``."""
    values = np.full((40, 60), 0.1, np.float32)
    for left, probability in squares:
        values[10:22, left : left + 12] = probability
    return values


def test_of_two_regions_the_unsure_one_goes_with_its_soft_border():
    values = scene((5, 0.95), (40, 0.7))
    values[10:22, 39] = 0.4
    (cleaned,) = kept_of(values)
    assert np.array_equal(cleaned[:, :25], values[:, :25]) and not cleaned[:, 35:].any()
    both = scene((5, 0.95), (40, 0.92))
    assert kept_of(both)[0] is both
    assert kept_of(values, least=0)[0] is values


def test_one_stays_where_none_is_sure_and_alone_it_is_not_asked():
    (cleaned,) = kept_of(scene((5, 0.6), (40, 0.7)))
    assert (cleaned > 0.5).sum() == 144 and cleaned[15, 45] > 0.5
    (alone,), (nothing,) = kept_of(scene((5, 0.6))), kept_of(scene())
    assert (alone > 0.5).sum() == 144 and not (nothing > 0.5).any()


def test_what_speaks_most_for_an_object_stays_beside_a_surer_spot():
    """Its mask would be lost for the spot's sake; and what was seen longer speaks more."""
    values = scene((5, 0.8))
    values[30:33, 50:53] = 0.99
    assert kept_of(values)[0] is values
    new = kept_of(*[scene((5, 0.7))] * 5, scene((5, 0.7), (40, 0.75)))[-1]
    assert new[15, 10] > 0.5 and new[15, 45] == 0


def test_a_line_may_be_as_unsure_as_an_edge_is():
    values = scene((5, 0.95))
    values[2:38, 40:42], values[10:22, 48:58] = 0.7, 0.7
    (cleaned,) = kept_of(values)
    assert np.array_equal(cleaned[:, :43], values[:, :43]) and not cleaned[10:22, 46:].any()


def test_what_was_said_of_the_frames_before_counts():
    sure, unsure = scene((5, 0.95), (40, 0.95)), scene((5, 0.95), (40, 0.7))
    assert kept_of(unsure)[0][15, 45] == 0
    seen_before = kept_of(*[sure] * 5, *[unsure] * 12)
    stays = [bool(probabilities[15, 45] > 0.5) for probabilities in seen_before]
    assert all(stays[:8]) and not any(stays[-3:])
    moved_in = kept_of(*[scene((5, 0.95))] * 5, unsure)  # where nothing was, nothing counts
    assert moved_in[-1][15, 45] == 0


def test_frames_of_any_size_are_decided_at_one():
    values = scene((5, 0.95), (40, 0.7))
    large = values.repeat(3, 0).repeat(3, 1)
    (cleaned,) = kept_of(large)
    assert np.array_equal(cleaned[::3, ::3], kept_of(values)[0])
    assert kept_of(values, short_edge=400)[0].shape == values.shape


def test_no_frame_is_awaited_to_know_what_is_sure():
    read = []

    def maps():
        for index in range(9):
            read.append(index)
            yield index, scene((5, 0.95), (40, 0.7))

    assert [len(read) - 1 - index for index, _ in drop_unsure(maps(), 0.5, 0.9, 40)] == [0] * 9
