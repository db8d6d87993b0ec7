import json

import numpy as np
import pytest
from made_records import finish

from threedcseg.errors import InputError
from threedcseg.evaluation.protocols import PROTOCOLS, Settings, pair_up, score
from threedcseg.evaluation.record import (
    FORMAT,
    PROVENANCE,
    evaluation_record,
    is_evaluation,
    read_provenance,
    terms,
    write_evaluation,
)


def record_of(name: str = "davis16") -> dict:
    protocol, settings = PROTOCOLS[name], Settings(threshold=0.25, normalise=False)
    truth = np.zeros((5, 12, 20), np.uint8)
    truth[:, 2:8, 3:9] = 1 if protocol.foreground == "labels" else 255
    result = score(protocol, [("a", pair_up(truth, truth)), ("b", pair_up(truth, truth))], settings)
    return evaluation_record(
        result,
        protocol,
        settings,
        ground_truth="made up",
        predictions="masks",
        provenance={"overlap": 3, "weights_sha256": "0" * 64},
    )


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_record_is_plain_json_and_says_what_defines_it(tmp_path, name):
    path = tmp_path / "result.json"
    write_evaluation(path, record_of(name))
    record = json.loads(path.read_text())
    assert record == record_of(name)
    assert (record["format"], record["protocol"]) == (FORMAT, name)
    assert record["ground_truth"] == "made up" and record["resolution"] == ["20x12"]
    assert record["frames_counted"] == (6 if name == "davis16" else 10)
    assert record["provenance"].keys() == set(PROVENANCE)
    assert record["provenance"]["overlap"] == 3 and record["provenance"]["model"] is None
    assert record["software"].startswith("threedcseg ")
    if "{threshold}" in PROTOCOLS[name].binarisation:
        assert "0.25" in record["binarisation"]
    if "{normalisation}" in PROTOCOLS[name].binarisation:
        assert "as given" in record["binarisation"]
    for sequence in record["sequences"].values():
        lengths = {len(values) for values in sequence["per_frame"].values()}
        assert lengths == {5}
        assert set(PROTOCOLS[name].headline) <= sequence["figures"].keys()


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


def test_provenance_is_told_in_words_and_what_does_not_apply_is_left_out():
    def told(**provenance: object) -> dict[str, str]:
        record = record_of("davis16")
        return dict(terms({**record, "provenance": dict.fromkeys(PROVENANCE) | provenance}))

    made = told(model="compact", shots=True, overlap=[3, 7], drop_specks=0.0)
    assert made["model"] == "compact" and made["weights sha256"] == "not recorded"
    assert (made["shots"], made["overlap"], made["drop specks"]) == ("yes", "differs: 3, 7", "0.0")
    assert "runtime" not in made and "made by" not in made
    assert told()["made by"] == "not recorded"


def test_only_a_former_record_is_overwritten(tmp_path):
    path = tmp_path / "result.json"
    write_evaluation(path, record_of())
    write_evaluation(path, record_of("saliency"))
    assert json.loads(path.read_text())["protocol"] == "saliency"
    for content in ("", "{}", '{"format": "another"}', "not JSON"):
        path.write_text(content)
        assert not is_evaluation(path)
        with pytest.raises(InputError, match="exists and is no evaluation"):
            write_evaluation(path, record_of())
        assert path.read_text() == content
    with pytest.raises(InputError, match="is no evaluation"):
        write_evaluation(tmp_path, record_of())
    with pytest.raises(InputError, match="no such folder"):
        write_evaluation(tmp_path / "absent" / "result.json", record_of())
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]
