import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from threedcseg.evaluation.protocols import PROTOCOLS
from threedcseg.evaluation.scorer import ScoringSettings
from threedcseg.evaluation.scoring import pair_up, score

PUBLISHED = PROTOCOLS["3dc-seg-published"]


def curve_maximum(prediction: np.ndarray, truth: np.ndarray) -> float:
    """What the authors' script does: the best F of a precision-recall curve over all values."""
    best = 0.0
    for cut in np.unique(prediction):
        mask = prediction >= cut
        true = (mask & truth).sum()
        precision, recall = true / mask.sum(), true / max(truth.sum(), 1)
        if precision + recall:
            best = max(best, 2 * precision * recall / (precision + recall))
    return best


@st.composite
def two_sequences(draw):
    shape = (3, 5, 7)
    maps = [draw(arrays(np.uint8, shape)) for _ in range(2)]
    return maps, [draw(arrays(bool, shape)) for _ in range(2)]


def score_two(maps, truths, **settings):
    sequences = [(str(i), pair_up(m, t)) for i, (m, t) in enumerate(zip(maps, truths, strict=True))]
    return score(PUBLISHED, sequences, ScoringSettings(**settings))


@settings(max_examples=30, deadline=None)
@given(two_sequences())
def test_all_pixels_are_one_pool(case):
    maps, truths = case
    pixels, labels = np.concatenate(maps).ravel() / 255, np.concatenate(truths).ravel()
    found = score_two(maps, truths).overall
    mask = pixels > 0.5
    assert found["F1_max"] == pytest.approx(curve_maximum(pixels, labels))
    assert found["MAE"] == pytest.approx(np.abs(pixels - labels).mean())
    assert found["MAE_hard"] == pytest.approx(np.abs(mask ^ labels).mean())
    union = mask.sum() + labels.sum()
    assert found["F1"] == pytest.approx(2 * (mask & labels).sum() / union if union else 0)


def test_of_hard_masks_the_pool_is_f1_and_everything_foreground_is_on_the_curve():
    truth = np.zeros((3, 10, 10), bool)
    truth[:, :4] = True
    good, bad = np.roll(truth, 1, axis=1), ~truth
    found = score_two([good], [truth]).overall
    assert found["F1_max"] == found["F1"] == pytest.approx(0.75)
    assert found["MAE"] == found["MAE_hard"] == pytest.approx(0.2)
    found = score_two([bad], [truth]).overall
    assert found["F1"] == 0  # the authors' 0 / 0 is not a number
    assert found["F1_max"] == pytest.approx(2 * 0.4 / 1.4)


def test_pooling_is_not_averaging():
    big, small = np.ones((1, 20, 20), bool), np.zeros((1, 20, 20), bool)
    small[0, 0, :2] = True
    found = score_two([big, ~small], [big, small])
    assert [s.figures["F1"] for s in found.sequences] == [1, 0]
    assert found.overall["F1"] == pytest.approx(2 * 400 / (800 + 400))


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.9999])
def test_the_threshold_is_that_of_masks_everywhere(threshold):
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    truth = np.ones((1, 16, 16), bool)
    kinds = [values, values.astype(np.uint16) * 257, (values / 255)]
    found = [score_two([v], [truth], threshold=threshold).overall for v in kinds]
    share = (values / 255 > threshold).mean()
    for figures in found:
        assert figures["MAE_hard"] == pytest.approx(1 - share)
        assert figures == pytest.approx(found[0])
