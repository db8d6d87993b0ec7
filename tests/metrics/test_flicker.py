"""Flicker, held against flicker that is made up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from threedcseg.evaluation.scoring import davis16
from threedcseg.metrics.flicker import flicker

HEIGHT, WIDTH, LENGTH = 120, 200, 24


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


TRUTH = np.stack([disc(40 + 5 * t, 60, 25) for t in range(LENGTH)])
AT_REST = np.stack([disc(100, 60, 25)] * LENGTH)


def flicker_of(predictions: np.ndarray, truth: np.ndarray = TRUTH) -> float:
    return davis16({"disc": (predictions, truth)}).overall["flicker"]


def test_the_truth_does_not_flicker():
    assert flicker_of(TRUTH) == 0


def test_nor_does_an_error_that_stays_or_moves_with_the_object():
    half = TRUTH.copy()
    half[:, :60] = False
    stain = TRUTH | disc(180, 20, 10)
    fat = np.stack([ndimage.binary_dilation(mask, iterations=2) for mask in TRUTH])
    assert flicker_of(half) == flicker_of(stain) == 0
    assert flicker_of(fat) < 0.01


def test_a_blinking_mask_of_an_object_at_rest_flickers_always():
    blinking = AT_REST.copy()
    blinking[::2] = False
    assert flicker_of(blinking, AT_REST) == 1


def test_halves_that_alternate_flicker_where_a_half_that_stays_does_not():
    """J is the same of both; this is what it does not see."""
    stays, alternates = AT_REST.copy(), AT_REST.copy()
    stays[:, :, :100] = False
    alternates[::2, :, :100] = False
    alternates[1::2, :, 100:] = False
    scores = [davis16({"disc": (p, AT_REST)}).overall for p in (stays, alternates)]
    assert scores[0]["J_mean"] == pytest.approx(scores[1]["J_mean"], abs=0.02)
    assert scores[0]["flicker"] == 0
    assert scores[1]["flicker"] > 0.9


@pytest.mark.parametrize("truth", [TRUTH, AT_REST])
def test_it_grows_with_the_share_of_frames_that_are_spoiled(truth):
    """Holes and specks that come and go, in more and more of the frames."""
    found = []
    for share in (0, 0.1, 0.3, 0.5):
        rng = np.random.default_rng(0)
        spoiled = truth.copy()
        for t in range(LENGTH):
            x, y = rng.uniform(20, 180), rng.uniform(20, 100)
            if rng.random() < share:
                spoiled[t] ^= disc(x, y, 12)
        found.append(flicker_of(spoiled, truth))
    assert found[0] == 0
    assert found == sorted(found) and len(set(found)) == len(found)


def test_it_grows_with_the_size_of_what_comes_and_goes():
    found = []
    for radius in (0, 4, 8, 16):
        spoiled = AT_REST.copy()
        spoiled[::2] &= ~disc(100, 60, radius)
        found.append(flicker_of(spoiled, AT_REST))
    areas = [disc(100, 60, radius).sum() / AT_REST[0].sum() for radius in (0, 4, 8, 16)]
    assert found == pytest.approx(areas, abs=1e-9)


def test_one_pair_by_hand():
    """Of 3 pixels that appear 1 is too far from the one that truly does; 1 of 1 vanishes."""
    row = np.zeros((4, 1, 20), bool)
    before, after, truth_before, truth_after = row
    before[0, 19] = True
    truth_after[0, 4] = True
    after[0, [3, 5, 8]] = True
    found = flicker((before, after), (truth_before, truth_after), tolerance=2)
    assert found == 2 / 5


@st.composite
def quadruples(draw):
    shape = draw(array_shapes(min_dims=2, max_dims=2, max_side=30))
    return [draw(arrays(bool, shape)) for _ in range(4)]


@given(quadruples(), st.integers(1, 4))
def test_it_is_what_its_formula_says(masks, radius):
    p, q, g, h = masks  # prediction and ground truth, before and after

    def near(mask):
        size = 2 * radius + 1
        y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
        disk = (x * x + y * y <= radius * radius).reshape(size, size)
        return ndimage.binary_dilation(mask, disk)

    unexplained = (q & ~p & ~near(h & ~g)).sum() + (p & ~q & ~near(g & ~h)).sum()
    union = (p | q | g | h).sum()
    expected = unexplained / union if union else 0
    found = flicker((p, q), (g, h), tolerance=radius)
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0 <= found <= 1
    assert flicker((q, p), (h, g), tolerance=radius) == pytest.approx(found)
    assert flicker((p, p), (g, h)) == 0
