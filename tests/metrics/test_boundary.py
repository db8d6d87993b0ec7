import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from plain_metrics import benchmark

from threedcseg.metrics.boundary import boundary_f_measure, boundary_map, boundary_tolerance

shapes = array_shapes(min_dims=2, max_dims=2, max_side=40)


@st.composite
def pairs(draw):
    """Two masks of one shape: noise, boxes, or boxes with noise on them."""
    shape = draw(shapes)
    return draw(blobs(shape)), draw(blobs(shape))


@st.composite
def blobs(draw, shape):
    mask = np.zeros(shape, bool)
    if draw(st.booleans()):
        y, x = draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))
        mask[y : y + draw(st.integers(1, 40)), x : x + draw(st.integers(1, 40))] = True
    if draw(st.booleans()):
        mask ^= draw(arrays(bool, shape))
    return mask


def plain(a, b, radius=None):
    return benchmark.plain_boundary(a, b, benchmark.dilate_2016, radius)


@given(pairs(), st.integers(1, 9))
def test_agrees_with_dilation_of_the_whole_image(masks, tolerance):
    found = boundary_f_measure(*masks, tolerance=tolerance)
    assert found == plain(*masks, tolerance)
    assert boundary_f_measure(*masks) == plain(*masks)
    assert 0 <= found <= 1


@given(pairs(), st.integers(1, 9))
def test_symmetry(masks, tolerance):
    a, b = masks
    found = boundary_f_measure(a, b, tolerance=tolerance)
    assert found == pytest.approx(boundary_f_measure(b, a, tolerance=tolerance), abs=1e-12)
    assert boundary_f_measure(a, a) == 1


@given(pairs(), st.tuples(*[st.integers(0, 9)] * 4))
def test_padding_with_background_changes_nothing_at_one_tolerance(masks, margins):
    """From a mask that does not touch the image's edge, which is no boundary, on."""
    top, bottom, left, right = margins
    masks = [np.pad(mask, 1) for mask in masks]
    padded = [np.pad(mask, ((top, bottom), (left, right))) for mask in masks]
    assert boundary_f_measure(*padded, tolerance=3) == boundary_f_measure(*masks, tolerance=3)


@given(pairs(), st.data())
def test_void_pixels_are_background(masks, data):
    void = data.draw(arrays(bool, masks[0].shape))
    a, b = masks
    assert boundary_f_measure(a, b, void) == boundary_f_measure(a & ~void, b & ~void)


@given(shapes.flatmap(blobs))
def test_the_map_is_that_of_the_kit(mask):
    assert (boundary_map(mask).astype(bool) == benchmark.plain_boundary_map(mask)).all()


def test_a_shift_within_the_tolerance_costs_nothing_and_beyond_everything():
    a = np.zeros((100, 200), bool)
    a[30:60, 50:60] = True
    assert boundary_f_measure(a, np.roll(a, 3, axis=1), tolerance=3) == 1
    line = np.zeros((100, 200), bool)
    line[30] = True
    assert boundary_f_measure(line, np.roll(line, 20, axis=0), tolerance=5) == 0


def test_empty_and_full_masks():
    nothing, everything = np.zeros((20, 30), bool), np.ones((20, 30), bool)
    thing = np.pad(np.ones((4, 4), bool), ((3, 13), (3, 23)))
    assert boundary_f_measure(nothing, nothing) == 1
    assert boundary_f_measure(nothing, everything) == 1  # neither has a boundary
    assert boundary_f_measure(nothing, thing) == boundary_f_measure(thing, nothing) == 0
    assert boundary_f_measure(everything, thing) == 0


@pytest.mark.parametrize(("shape", "pixels"), [((480, 854), 8), ((1080, 1920), 18), ((2, 2), 1)])
def test_the_tolerance_follows_the_diagonal(shape, pixels):
    assert boundary_tolerance(shape) == pixels


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        boundary_f_measure(np.zeros((3, 3), bool), np.zeros((3, 4), bool))
