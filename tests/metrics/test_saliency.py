import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from plain_metrics import benchmark

from threedcseg.metrics.saliency import saliency_measures
from threedcseg.metrics.weighted_f import weighted_f_measure

shapes = st.tuples(st.integers(4, 24), st.integers(4, 24))


@st.composite
def maps_with_truth(draw):
    shape = draw(shapes)
    truth = np.zeros(shape, bool)
    y, x = draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))
    truth[y : y + draw(st.integers(0, 24)), x : x + draw(st.integers(0, 24))] = True
    if draw(st.booleans()):
        truth ^= draw(arrays(bool, shape))
    levels = st.sampled_from([0, 1, 90, 127, 128, 254, 255]) | st.integers(0, 255)
    return draw(arrays(np.uint8, shape, elements=levels)), truth


def numbers(measures):
    return benchmark.numbers(measures)


@settings(max_examples=30, deadline=None)
@given(maps_with_truth())
def test_agrees_with_a_loop_over_thresholds(case):
    prediction, truth = case
    found = saliency_measures(prediction, truth)
    np.testing.assert_allclose(
        numbers(found), numbers(benchmark.plain_saliency(prediction, truth)), atol=1e-6
    )


@settings(max_examples=20, deadline=None)
@given(maps_with_truth(), st.booleans())
def test_a_map_of_16_bits_or_of_floats_is_the_same_map(case, normalise):
    prediction, truth = case
    first = numbers(saliency_measures(prediction, truth, normalise=normalise))
    same = prediction.astype(np.uint16) * 257, prediction / 255
    for values in same:
        found = numbers(saliency_measures(values, truth, normalise=normalise))
        np.testing.assert_allclose(found, first, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(shapes.flatmap(lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))))
def test_a_mask_is_the_map_of_0_and_255(case):
    mask, truth = case
    as_map = np.where(mask, np.uint8(255), np.uint8(0))
    found, expected = saliency_measures(mask, truth), saliency_measures(as_map, truth)
    np.testing.assert_allclose(numbers(found), numbers(expected), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(maps_with_truth())
@example((np.zeros((4, 4), np.uint8), np.zeros((4, 4), bool)))
@example((np.full((4, 4), 255, np.uint8), np.ones((4, 4), bool)))
@example((np.array([[255]], np.uint8), np.array([[True]])))
@example((np.array([[0, 255]], np.uint8), np.array([[False, True]])))
def test_measures_are_finite_and_between_0_and_1(case):
    found = saliency_measures(*case)
    single = [found.mae, found.s_measure, found.weighted_f, found.adaptive_f]
    assert all(0 <= value <= 1 + 1e-12 for value in single)
    assert found.f_curve.min() >= 0 and found.f_curve.max() <= 1 + 1e-12
    # E is a sum over n - 1 pixels, as published, so a little more than 1 on tiny images
    assert np.isfinite(found.e_curve).all() and found.e_curve.min() >= 0


def test_the_truth_itself_is_perfect():
    truth = np.zeros((40, 60), bool)
    truth[10:30, 20:40] = True
    found = saliency_measures(truth, truth)
    assert (found.mae, found.adaptive_f, found.f_curve.max()) == (0, 1, 1)
    assert found.s_measure == pytest.approx(1) and found.weighted_f == pytest.approx(1)
    assert found.e_curve.max() == pytest.approx(1, abs=1e-3)


def test_normalisation_is_a_choice():
    truth = np.zeros((8, 8), bool)
    truth[2:5, 2:5] = True
    faint = np.where(truth, np.uint8(51), np.uint8(0))
    assert saliency_measures(faint, truth).mae == 0
    assert saliency_measures(faint, truth, normalise=False).mae == pytest.approx(0.8 * 9 / 64)


@settings(max_examples=30, deadline=None)
@given(maps_with_truth())
def test_weighted_f_agrees_with_blurring_the_whole_image(case):
    """Ties between nearest object pixels included, which noise has many of."""
    prediction, truth = case
    soft = prediction / 255
    expected = benchmark.plain_weighted_f(soft, truth)
    assert weighted_f_measure(soft, truth) == pytest.approx(expected, abs=1e-6)
