"""The record of an evaluation, written and read by one class."""

import dataclasses
import json

import numpy as np
import pytest
from made_records import finish

from threedcseg.errors import InputError
from threedcseg.evaluation.protocols import PROTOCOLS
from threedcseg.evaluation.record import (
    FORMAT,
    PROVENANCE,
    EvaluationRecord,
    is_evaluation,
    read_provenance,
)
from threedcseg.evaluation.scorer import ScoringSettings
from threedcseg.evaluation.scoring import pair_up, score
from threedcseg.inference.settings import Settings


def record_of(name: str = "davis16", **provenance: object) -> EvaluationRecord:
    protocol, settings = PROTOCOLS[name], ScoringSettings(threshold=0.25, normalise=False)
    truth = np.zeros((5, 12, 20), np.uint8)
    truth[:, 2:8, 3:9] = 1 if protocol.foreground == "labels" else 255
    result = score(protocol, [("a", pair_up(truth, truth)), ("b", pair_up(truth, truth))], settings)
    return EvaluationRecord.of(
        result,
        settings,
        ground_truth="made up",
        predictions="masks",
        read_as="labels",
        provenance=provenance,
    )


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_record_is_plain_json_that_is_read_back(tmp_path, name):
    path = tmp_path / "result.json"
    record = record_of(name, overlap=3, weights_sha256="0" * 64)
    record.write(path)
    assert EvaluationRecord.read(path) == record
    content = json.loads(path.read_text())
    assert (content["format"], content["protocol"]) == (FORMAT, name)
    assert content["ground_truth"] == "made up" and content["resolution"] == [[20, 12]]
    assert content["frames_counted"] == (6 if name == "davis16" else 10)
    assert (content["threshold"], content["normalise"]) == (0.25, False)
    assert (content["read_as"], content["probabilities"]) == ("labels", False)
    assert content["provenance"].keys() == set(PROVENANCE)
    assert content["provenance"]["overlap"] == 3 and content["provenance"]["model"] is None
    assert content["software"].startswith("threedcseg ")
    for sequence in content["sequences"].values():
        assert {len(values) for values in sequence["per_frame"].values()} == {5}
        assert sequence["figures"].keys() == {figure.name for figure in PROTOCOLS[name].figures}
    words = dict(record.terms())["binarisation"]
    assert ("0.25" in words) == ("{threshold}" in PROTOCOLS[name].binarisation)
    assert ("as given" in words) == ("{normalisation}" in PROTOCOLS[name].binarisation)


def test_every_setting_of_inference_is_part_of_the_provenance():
    assert {field.name for field in dataclasses.fields(Settings)} < set(PROVENANCE)


def test_provenance_is_what_the_completion_records_say(tmp_path):
    for name, overlap in (("a", 3), ("b", 7)):
        network = {"model": "compact", "weights_sha256": "f" * 64}
        finish(tmp_path / name, provenance=network, settings={"overlap": overlap})
    (tmp_path / "c").mkdir()
    first = read_provenance([tmp_path / "a"])
    assert (first["model"], first["overlap"], first["tail"]) == ("compact", 3, None)
    both = read_provenance([tmp_path / "a", tmp_path / "b"])
    assert both["overlap"] == [3, 7] and both["weights_sha256"] == "f" * 64
    assert read_provenance([tmp_path / "a", tmp_path / "c"])["model"] == ["compact", None]
    assert set(read_provenance([tmp_path / "c"]).values()) == {None}
    (tmp_path / "c" / "3dcseg.json").write_text('{"settings": 3}')
    assert read_provenance([tmp_path / "c"])["overlap"] is None


def test_a_choice_of_objects_and_corrections_are_told(tmp_path):
    choice = {"keep": ("50%,60%",), "drop_small": 0.1}
    finish(tmp_path / "a", choice=choice, corrected=("masks", "f" * 64))
    told = read_provenance([tmp_path / "a"])
    assert told["objects"] == "keep 50%,60%; drop small 0.1"
    assert told["corrected"] == "by hand, in part"


def test_provenance_in_words_leaves_out_what_does_not_apply():
    made = dict(record_of(model="compact", shots=True, overlap=[3, 7], drop_specks=0.0).terms())
    assert made["model"] == "compact" and made["weights sha256"] == "not recorded"
    assert (made["shots"], made["overlap"], made["drop specks"]) == ("yes", "differs: 3, 7", "0.0")
    assert "runtime" not in made and "made by" not in made
    assert dict(record_of().terms())["made by"] == "not recorded"


def test_only_a_former_record_is_overwritten(tmp_path):
    path = tmp_path / "result.json"
    record_of().write(path)
    record_of("saliency").write(path)
    assert EvaluationRecord.read(path).protocol == "saliency"
    path.write_text('{"format": "3dcseg evaluation 1"}')
    record_of().write(path)
    for content in ("", "{}", '{"format": "another"}', "not JSON"):
        path.write_text(content)
        assert not is_evaluation(path)
        with pytest.raises(InputError, match="exists and is no evaluation"):
            record_of().write(path)
        assert path.read_text() == content
    with pytest.raises(InputError, match="is no evaluation"):
        record_of().write(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        record_of().write(tmp_path / "absent" / "result.json")
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "3dcseg evaluation 1"}, "format '3dcseg evaluation 1', and this version reads"),
        ({"format": "another"}, "no record of an evaluation"),
        ({"protocol": "mine"}, "protocol: .*unknown protocol 'mine'; there are davis16"),
        ({"threshold": "p > 0.5"}, "threshold: "),
        ({"overall": {"J&F": 0.5}}, "overall: no J_mean"),
        ({"sequences": {}}, "sequences: "),
        ({"strange": 1}, "strange: "),
    ],
)
def test_a_file_that_is_no_whole_record_says_to_evaluate_again(tmp_path, change, words):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(json.loads(record_of().model_dump_json()) | change))
    with pytest.raises(InputError, match=f"result.json.*{words}.*evaluate again") as caught:
        EvaluationRecord.read(path)
    assert "\n" not in str(caught.value)


def test_values_must_be_one_a_frame(tmp_path):
    content = json.loads(record_of().model_dump_json())
    content["sequences"]["a"]["per_frame"]["J"].pop()
    path = tmp_path / "result.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"sequences\.a: .*J has 4 values for 5 frames"):
        EvaluationRecord.read(path)


def test_records_that_mean_ill(tmp_path):
    """Each field as each of these, and texts that are nested without end or no text."""
    path = tmp_path / "result.json"
    record_of().write(path)
    content = json.loads(path.read_text())
    values = [None, [], {}, "", "x", -1, 10**30, 1e308, float("nan"), [[]], {"a": []}, True]
    read = 0
    for name in content:
        for value in values:
            path.write_text(json.dumps(content | {name: value}))
            try:
                read += EvaluationRecord.read(path).terms() != []
            except InputError as error:
                assert len(str(error)) < 600
    assert read < len(content) * len(values) / 2
    for text in ("[" * 200_000, '{"a":' * 200_000, "9" * 5000, "\0", ""):
        path.write_text(text)
        with pytest.raises(InputError, match=r"result\.json"):
            EvaluationRecord.read(path)
        assert not is_evaluation(path)
