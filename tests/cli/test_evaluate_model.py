"""`3dcseg evaluate --model`: predict and score in one go."""

import json

import pytest
import torch

from threedcseg.cli.main import main
from threedcseg.models import create_model
from threedcseg.models.weights import save_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, create_model("compact", width="lite0", channels=8).eval())
    return path


def test_predicting_and_scoring_is_segmenting_and_evaluating(weights, tiny_data, tmp_path):
    root, options = tiny_data / "davis", ["--short-edge", "32", "--overlap", "5"]
    model = ["--model", str(weights), *options]
    one = ["--data", str(root), "--split", "dev", "--json", str(tmp_path / "one.json")]
    assert main(["evaluate", *model, *one, "--keep", str(tmp_path / "kept")]) == 0
    frames = root / "JPEGImages" / "480p" / "right"
    assert main(["segment", str(frames), "-o", str(tmp_path / "masks"), *model]) == 0
    scoring = [str(tmp_path / "masks"), str(root), "--split", "dev"]
    assert main(["evaluate", *scoring, "--json", str(tmp_path / "two.json")]) == 0
    first, second = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("one", "two"))
    assert first["overall"] == second["overall"]
    assert first["provenance"] == second["provenance"]
    assert first["provenance"]["overlap"] == 5
    assert len(first["provenance"]["weights_sha256"]) == 64
    assert len(list((tmp_path / "kept" / "right").glob("*.png"))) == 10
    for name in ("upsampling", "shots", "precision"):
        assert first["provenance"][name] is not None


def test_maps_are_scored_as_segment_writes_them_kept_or_not(weights, tiny_data, tmp_path):
    root = tiny_data / "davis"
    model = ["--model", str(weights), "--short-edge", "32", "--tta", "1"]
    scoring = ["--data", str(root), "--split", "dev", "--protocol", "saliency", "--probabilities"]
    words, kept = ["evaluate", *model, *scoring], tmp_path / "kept"
    assert main([*words, "--json", str(tmp_path / "one.json")]) == 0
    assert main([*words, "--keep", str(kept), "--json", str(tmp_path / "two.json")]) == 0
    files = [str(kept), str(root), *scoring[2:]]
    assert main(["evaluate", *files, "--json", str(tmp_path / "three.json")]) == 0
    texts = [json.loads((tmp_path / f"{n}.json").read_text()) for n in ("one", "two", "three")]
    for key in ("sequences", "provenance", "probabilities"):
        assert texts[0][key] == texts[1][key] == texts[2][key]


def test_chosen_sequences_and_probabilities_are_what_is_predicted(weights, tiny_data, tmp_path):
    words = ["--model", str(weights), "--short-edge", "32", "--data", str(tiny_data / "davis")]
    words += ["--split", "train", "--protocol", "saliency", "--sequences", "right"]
    kept, result = tmp_path / "kept", tmp_path / "result.json"
    words += ["--probabilities", "--keep", str(kept), "--json", str(result)]
    assert main(["evaluate", *words]) == 0
    assert [folder.name for folder in kept.iterdir()] == ["right"]
    assert len(list((kept / "right" / "probabilities").glob("*.png"))) == 10
    assert list(json.loads(result.read_text())["sequences"]) == ["right"]
    assert main(["evaluate", *words[:-2], "--sequences", "up"]) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--json", "kept/result.json"], "read only"),
        (["--json", "none/result.json"], "no such folder"),
        (["--protocol", "davis2017-unsupervised"], "--write palette"),
        (["--threshold", "1"], "threshold"),
        (["--workers", "0"], "--workers"),
        (["--sequences", "up"], "no ground truth of up"),
    ],
)
def test_what_cannot_be_scored_is_not_predicted(
    weights, tiny_data, tmp_path, capsys, monkeypatch, words, told
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    model = ["--model", str(weights), "--data", str(tiny_data / "davis"), "--split", "dev"]
    assert main(["evaluate", *model, "--keep", "kept", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and told in error
    assert not list((tmp_path / "kept").iterdir())


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["masks"],
        ["masks", "truth", "--model", "compact", "--data", "x"],
        ["--model", "compact"],
        ["masks", "truth", "--data", "x"],
    ],
)
def test_half_a_command_is_told_what_is_missing(words, capsys):
    assert main(["evaluate", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


def test_a_folder_that_is_no_data_set(weights, tmp_path, capsys):
    words = ["--model", str(weights), "--data", str(tmp_path), "--split", "dev"]
    assert main(["evaluate", *words]) == 2
    assert "no data set" in capsys.readouterr().err
