import numpy as np
import pytest

from threedcseg.errors import InputError
from threedcseg.evaluation.objects import ObjectScorer
from threedcseg.evaluation.protocols import PROTOCOLS
from threedcseg.evaluation.scoring import pair_up, score
from threedcseg.metrics.boundary import F, boundary_f_measure
from threedcseg.metrics.region import J, region_similarity

UNSUPERVISED = PROTOCOLS["davis2017-unsupervised"]


def scene(length: int = 6, shape: tuple[int, int] = (60, 90)) -> np.ndarray:
    """Labels of three objects, two of which move; the third leaves at half time."""
    labels = np.zeros((length, *shape), np.uint8)
    for t in range(length):
        labels[t, 5:25, 5 + t : 25 + t] = 1
        labels[t, 35:55, 40 - t : 70 - t] = 2
        if t < length // 2:
            labels[t, 5:15, 70:85] = 3
    return labels


def score_labels(predictions, truth):
    return score(UNSUPERVISED, [("scene", pair_up(predictions, truth))])


def test_the_numbers_of_proposals_do_not_matter():
    truth = scene()
    swapped = np.array([0, 7, 20, 4], np.uint8)[truth]
    result = score_labels(swapped, truth)
    assert result.overall["J&F"] == 1
    objects = result.sequences[0].objects
    assert [entry["proposal"] for entry in objects] == [7, 20, 4]
    assert result.num_frames == 6  # all frames count


def test_objects_are_matched_over_the_whole_sequence_and_one_to_one():
    """Proposal 1 is object 1 in most frames and object 2 in the others; nothing else is given."""
    truth = scene()
    prediction = np.where(truth == 1, 1, 0).astype(np.uint8)
    prediction[4:] = np.where(truth[4:] == 2, 1, 0)
    result = score_labels(prediction, truth)
    first, second, third = result.sequences[0].objects
    assert first["J_mean"] == pytest.approx(4 / 6)
    assert second["J_mean"] == 0
    assert third["J_mean"] == 0.5  # gone in half of the frames, as its empty proposal
    assert result.overall["J_mean"] == pytest.approx((4 / 6 + 0 + 0.5) / 3)


def test_agrees_with_all_pairs_and_all_assignments():
    rng = np.random.default_rng(0)
    truth = scene()
    prediction = np.roll(truth, (2, 3), (1, 2))
    prediction = np.array([0, 2, 3, 1], np.uint8)[prediction]
    prediction[rng.random(truth.shape) < 0.02] = 4
    truth[:, 20:30, 20:40] = 255
    void = truth == 255

    def mean_scores(proposal: int, number: int) -> tuple[list[float], list[float]]:
        masks = [
            (p == proposal, g == number, v) for p, g, v in zip(prediction, truth, void, strict=True)
        ]
        return (
            [region_similarity(*m) for m in masks],
            [boundary_f_measure(*m) for m in masks],
        )

    scores = {(p, k): mean_scores(p, k) for p in range(1, 5) for k in range(1, 4)}
    means = {pair: np.mean(values) for pair, values in scores.items()}
    options = [
        (a, b, c)
        for a in range(1, 5)
        for b in range(1, 5)
        for c in range(1, 5)
        if len({a, b, c}) == 3
    ]
    best = max(options, key=lambda o: sum(means[p, k + 1] for k, p in enumerate(o)))
    objects = score_labels(prediction, truth).sequences[0].objects
    assert tuple(entry["proposal"] for entry in objects) == best
    for entry in objects:
        region, boundary = scores[entry["proposal"], entry["object"]]
        for name, value in (J.figures_of(region) | F.figures_of(boundary)).items():
            assert entry[name] == pytest.approx(value)


def test_void_pixels_count_in_neither():
    truth = scene()
    prediction = truth.copy()
    prediction[:, 30:33] = 1  # where there is nothing to be seen
    assert score_labels(prediction, truth).overall["J_mean"] < 1
    truth[:, 30:33] = 255
    assert score_labels(prediction, truth).overall["J&F"] == 1


def test_overall_is_the_mean_over_objects_not_sequences():
    truth = scene()
    one = np.where(truth == 1, truth, 0)
    sequences = [("three", pair_up(truth, truth)), ("one", pair_up(0 * one, one))]
    result = score(UNSUPERVISED, sequences)
    assert [s.figures["J_mean"] for s in result.sequences] == [1, 0]
    assert result.overall["J_mean"] == 0.75


def test_surplus_proposals_cost_nothing_and_more_than_20_are_refused():
    truth = scene()
    prediction = truth.copy()
    prediction[:, 50:, 80:] = 20
    assert score_labels(prediction, truth).overall["J&F"] == 1
    prediction[:, 50:, 80:] = 21
    with pytest.raises(InputError, match="scene/00000: object number 21 is above 20"):
        score_labels(prediction, truth)


def test_a_mask_is_one_proposal():
    truth = scene()
    result = score_labels(truth == 2, truth)
    assert [entry["proposal"] for entry in result.sequences[0].objects][1] == 1


def test_probabilities_and_empty_ground_truth_are_refused():
    truth = scene()
    with pytest.raises(InputError, match=r"expected \(H, W\) integers"):
        score_labels(truth / 255, truth)
    with pytest.raises(InputError, match="scene/00000: the ground truth of the first frame"):
        score_labels(truth, 0 * truth)


def test_frames_may_be_fed_one_by_one():
    truth = scene()
    scorer = ObjectScorer("scene", (J, F))
    for labels in truth:
        scorer.score(labels, labels)
    assert scorer.result().figures["J&F"] == 1
