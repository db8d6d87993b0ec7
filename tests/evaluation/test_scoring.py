import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from threedcseg.errors import InputError
from threedcseg.evaluation.protocols import PROTOCOLS
from threedcseg.evaluation.scorer import ScoringSettings
from threedcseg.evaluation.scoring import Pair, davis16, pair_up, score
from threedcseg.metrics.measure import statistics


def scene(length: int, shape: tuple[int, int] = (24, 40)) -> tuple[np.ndarray, np.ndarray]:
    """Predictions that get worse and a ground truth that moves."""
    truth = np.zeros((length, *shape), bool)
    prediction = truth.copy()
    for t in range(length):
        x = t % 20
        truth[t, 4:16, x : x + 12] = True
        prediction[t, 4 + 8 * t // length : 16, x : x + 12] = True
    return prediction, truth


def test_the_example_of_the_docs_says_what_comes_out():
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    names: dict = {}
    exec(example, names)
    assert names["result"].overall["J_mean"] == pytest.approx(0.6)
    assert names["scorer"].result().figures["flicker"] == 0
    assert names["maps"].overall["MAE"] == pytest.approx(200 / (48 * 64))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_says_what_defines_its_figures(name):
    protocol = PROTOCOLS[name]
    said = [
        protocol.frames,
        protocol.averaging,
        protocol.describe_binarisation(ScoringSettings(0.25)),
    ]
    assert all(said) and not any("{" in words for words in said)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_truth_is_perfect_and_every_headline_figure_is_there(name):
    _, truth = scene(6)
    labels = truth.astype(np.uint8)
    protocol = PROTOCOLS[name]
    pair = (labels, labels) if protocol.foreground == "labels" else (truth, truth)
    result = score(protocol, [("scene", pair_up(*pair))])
    for figure in (figure.name for figure in protocol.figures):
        perfect = 0 if figure in ("MAE", "MAE_hard", "flicker") or "decay" in figure else 1
        if figure.startswith(("E_", "S")):  # within rounding, E over n - 1 pixels
            assert result.overall[figure] == pytest.approx(perfect, abs=2e-3)
        elif figure != "Fbeta_mean":  # threshold 0 takes everything for foreground
            assert result.overall[figure] == pytest.approx(perfect)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_threads_change_nothing(name):
    prediction, truth = (array.astype(np.uint8) for array in scene(30))
    if PROTOCOLS[name].foreground != "labels":
        prediction, truth = 255 * prediction, 255 * truth
    first, second = (
        score(PROTOCOLS[name], [("a", pair_up(prediction, truth))], workers=n) for n in (1, 3)
    )
    assert first.overall == second.overall
    assert first.sequences[0].per_frame == second.sequences[0].per_frame


@pytest.mark.parametrize(
    "convert",
    [
        lambda mask: mask,
        lambda mask: np.where(mask, np.uint8(255), np.uint8(0)),
        lambda mask: np.where(mask, np.uint8(128), np.uint8(127)),
        lambda mask: np.where(mask, np.uint16(65535), np.uint16(0)),
        lambda mask: np.where(mask, np.float32(0.51), np.float32(0.5)),
        lambda mask: np.where(mask, 1.0, 0.0),
    ],
)
def test_masks_and_maps_of_every_kind_are_the_same_mask(convert):
    prediction, truth = scene(8)
    expected = davis16({"a": (prediction, truth)}).overall
    assert davis16({"a": (convert(prediction), truth)}).overall == expected
    truth = np.where(truth, np.uint8(255), np.uint8(0))
    truth[:, 0, 0] = 127  # void, as read_mask gives it
    assert davis16({"a": (convert(prediction), truth)}).overall == expected


def test_arrays_may_be_written_to_once_they_were_scored():
    prediction, truth = scene(8)
    expected = davis16({"a": (prediction, truth)}).overall
    buffer, true_buffer = np.empty_like(prediction[0]), np.empty_like(truth[0])

    def reused(frames, buffer):
        for frame in frames:
            buffer[:] = frame
            yield buffer

    streams = reused(prediction, buffer), reused(truth, true_buffer)
    assert davis16([("a", *streams)]).overall == expected


def test_frames_without_ground_truth_are_left_out():
    prediction, truth = scene(9)
    sparse = [mask if t % 4 == 0 else None for t, mask in enumerate(truth)]
    result = score(PROTOCOLS["fbms"], [("a", pair_up(prediction, sparse))])
    assert result.sequences[0].frames == ("00000", "00004", "00008")
    assert result.num_frames == 3


def test_a_prediction_that_is_missing_is_an_empty_one():
    prediction, truth = scene(5)
    pairs = [
        Pair(str(t), None if t == 2 else p, g)
        for t, (p, g) in enumerate(zip(prediction, truth, strict=True))
    ]
    (sequence,) = score(PROTOCOLS["davis16"], [("a", pairs)]).sequences
    assert sequence.missing == ("2",)
    assert sequence.per_frame["J"][2] == 0


@pytest.mark.parametrize("length", [3, 4, 5, 300, 5000])
def test_statistics_of_short_and_long_sequences(length):
    """300 and more is where the kit's 8-bit frame numbers wrap around."""
    values = np.linspace(1, 0, length)
    mean, recall, decay = statistics(values)
    edges = [round(1 + k * (length - 1) / 4 + 1e-10) - 1 for k in range(5)]
    first, last = values[: edges[1] + 1], values[edges[3] :]
    assert mean == pytest.approx(0.5)
    assert recall == pytest.approx((values > 0.5).mean())
    assert decay == pytest.approx(first.mean() - last.mean())


@pytest.mark.parametrize("length", [300, 5000])
def test_long_sequences_are_scored_in_constant_memory(length):
    """Peak memory of what is kept, a few numbers a frame, not frames."""

    def stream():
        for t in range(length):
            mask = np.zeros((64, 64), bool)
            mask[10:30, t % 30 : t % 30 + 20] = True
            yield mask

    tracemalloc.start()
    result = davis16([("long", stream(), stream())])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.num_frames == length - 2
    assert result.overall["J&F"] == 1 and result.overall["J_decay"] == 0
    assert peak < 200_000 + 1000 * length  # all frames would be 8192 bytes a frame


class TestBadInput:
    def test_too_few_frames(self):
        prediction, truth = scene(2)
        for count in (1, 2):
            with pytest.raises(InputError, match=f"a: {count} frame.* at least 3"):
                davis16({"a": (prediction[:count], truth[:count])})
        one = score(PROTOCOLS["saliency"], [("a", pair_up(prediction[:1], truth[:1]))])
        assert one.num_frames == 1

    @pytest.mark.parametrize("name", PROTOCOLS)
    def test_no_frames_and_no_sequences(self, name):
        with pytest.raises(InputError, match="a: no frames with ground truth"):
            score(PROTOCOLS[name], [("a", [])])
        with pytest.raises(InputError, match="no sequences to score"):
            score(PROTOCOLS[name], [])

    @pytest.mark.parametrize("name", PROTOCOLS)
    def test_sizes_that_differ(self, name):
        small, large = np.zeros((4, 6), np.uint8), np.zeros((8, 12), np.uint8)
        with pytest.raises(InputError, match=r"a/00000: the prediction is 6x4.* 12x8"):
            score(PROTOCOLS[name], [("a", pair_up([small], [large]))])

    def test_sizes_that_change(self):
        sizes = [np.zeros((4, 6), bool), np.zeros((8, 12), bool)]
        with pytest.raises(InputError, match="a/00001 is 12x8, the frames before it 6x4"):
            davis16({"a": (sizes, sizes)})

    @pytest.mark.parametrize("name", [n for n in PROTOCOLS if n != "davis2017-unsupervised"])
    @pytest.mark.parametrize(
        ("value", "words"), [(np.nan, "values NaN"), (1.5, "values 0 to 1.5"), (-3, "-3 to 0")]
    )
    def test_values_that_are_no_probabilities(self, name, value, words):
        prediction, truth = (array.astype(np.float32) for array in scene(4))
        prediction[:] = 0
        prediction[1, 2, 3] = value
        with pytest.raises(InputError, match=f"a/00001: .*{words}"):
            score(PROTOCOLS[name], [("a", pair_up(prediction, truth > 0))])

    @pytest.mark.parametrize("dtype", [np.int32, complex])
    def test_other_numbers(self, dtype):
        prediction, truth = scene(4)
        with pytest.raises(InputError, match="expected bool, uint8, uint16 or floats"):
            davis16({"a": (prediction.astype(dtype), truth)})

    def test_ground_truth_of_labels(self):
        prediction, truth = scene(4)
        with pytest.raises(InputError, match=r"ground truth .*binarise it"):
            davis16({"a": (prediction, truth.astype(np.uint8))})

    def test_colours(self):
        with pytest.raises(InputError, match="one value a pixel"):
            davis16({"a": ([np.zeros((4, 4, 3), np.uint8)], [np.zeros((4, 4), bool)])})

    def test_thresholds(self):
        with pytest.raises(InputError, match=r"threshold 1.5 is out of range"):
            davis16({}, threshold=1.5)

    def test_one_stream_longer_than_the_other(self):
        prediction, truth = scene(5)
        with pytest.raises(ValueError, match="argument 2 is shorter"):
            davis16({"a": (prediction, truth[:4])})
