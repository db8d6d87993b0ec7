import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from plain_metrics import benchmark

from threedcseg.metrics.region import region_similarity

shapes = array_shapes(min_dims=2, max_dims=2, max_side=30)


@st.composite
def pairs(draw):
    shape = draw(shapes)
    return draw(arrays(bool, shape)), draw(arrays(bool, shape))


def test_by_hand():
    a = np.array([[1, 1, 0, 0]], bool)
    b = np.array([[0, 1, 1, 0]], bool)
    assert region_similarity(a, b) == 1 / 3
    assert region_similarity(a, ~a) == 0
    assert region_similarity(a & False, b & False) == 1
    assert region_similarity(a, a & False) == 0


def test_void_pixels_count_in_neither():
    a = np.array([[1, 1, 0, 0]], bool)
    b = np.array([[0, 1, 1, 0]], bool)
    assert region_similarity(a, b, void=np.array([[1, 0, 0, 0]], bool)) == 1 / 2
    assert region_similarity(a, b, void=a | b) == 1


@given(pairs())
def test_agrees_with_the_plain_one_and_is_symmetric(masks):
    a, b = masks
    assert region_similarity(a, b) == benchmark.plain_region(a, b)
    assert region_similarity(a, b) == region_similarity(b, a)
    assert 0 <= region_similarity(a, b) <= 1
    assert region_similarity(a, a) == 1


@given(pairs(), st.tuples(*[st.integers(0, 9)] * 4))
def test_padding_with_background_changes_nothing(masks, margins):
    top, bottom, left, right = margins
    padded = [np.pad(mask, ((top, bottom), (left, right))) for mask in masks]
    assert region_similarity(*padded) == region_similarity(*masks)


@pytest.mark.parametrize(
    "other", [np.zeros((3, 4), bool), np.zeros((3, 3), np.uint8), np.zeros((1, 3, 3), bool)]
)
def test_what_is_no_pair_of_masks_is_refused(other):
    with pytest.raises(ValueError, match=r"expected \(H, W\) bool masks"):
        region_similarity(np.zeros((3, 3), bool), other)
