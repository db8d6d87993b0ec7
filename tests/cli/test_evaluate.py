"""`3dcseg evaluate` as it is typed."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_records import finish

from threedcseg.cli.main import main
from threedcseg.evaluation.protocols import PROTOCOLS


def evaluate(*words: object) -> int:
    return main(["evaluate", *map(str, words)])


@pytest.fixture
def submission(tmp_path: Path, tiny_data: Path) -> tuple[Path, Path]:
    """Masks for both sequences of `tiny_data`, one pixel off, and the ground truth."""
    truth = tiny_data / "davis" / "Annotations" / "480p"
    for sequence in ("left", "right"):
        folder = tmp_path / "masks" / sequence
        (folder / "probabilities").mkdir(parents=True)
        for path in sorted((truth / sequence).glob("*.png")):
            mask = np.roll(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), 1, axis=1)
            cv2.imwrite(str(folder / path.name), mask)
            soft = cv2.GaussianBlur(mask, (0, 0), 2)
            cv2.imwrite(str(folder / "probabilities" / path.name), soft)
        network = {"model": "compact", "weights_sha256": "ab" * 32}
        finish(folder, provenance=network, settings={"overlap": 3})
    return tmp_path / "masks", truth


def snapshot(*folders: Path) -> dict[Path, tuple[int, bytes | None]]:
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for folder in folders
        for path in folder.rglob("*")
    }


def test_figures_and_what_defines_them_are_printed_and_nothing_is_touched(submission, capsys):
    before = snapshot(*submission)
    assert evaluate(*submission) == 0
    words = capsys.readouterr().out
    for said in (
        "davis16", "DAVIS 2016", "16: all but the first and the last", "p > 0.5", "80x48",
        "compact", "ab" * 32, "threedcseg", "left", "right", "overall", "J&F", "flicker",
    ):  # fmt: skip
        assert said in words
    assert re.search(r"^overlap +3 *$", words, re.MULTILINE)
    assert snapshot(*submission) == before


@pytest.mark.parametrize("protocol", [p for p in PROTOCOLS if "2017" not in p])
def test_every_protocol_writes_its_json(submission, tmp_path, protocol, capsys):
    output = tmp_path / "result.json"
    options = ["--protocol", protocol, "--json", output, "--probabilities", "--workers", 2]
    assert evaluate(*submission, *options) == 0
    assert f"result: {output}" in capsys.readouterr().out
    record = json.loads(output.read_text())
    assert record["protocol"] == protocol and list(record["sequences"]) == ["left", "right"]
    assert record["provenance"]["weights_sha256"] == "ab" * 32
    for figure in (figure.name for figure in PROTOCOLS[protocol].figures):
        means = [sequence["figures"][figure] for sequence in record["sequences"].values()]
        assert min(means) - 1e-9 <= record["overall"][figure] <= max(means) + 1e-9


def test_sequences_by_name_or_by_list_in_both_forms(submission, tmp_path, capsys):
    listing = tmp_path / "val.txt"
    listing.write_text("/JPEGImages/480p/right/00000.jpg /Annotations/480p/right/00000.png\n" * 2)
    plain = tmp_path / "plain.txt"
    plain.write_text("right\n\n")
    for names in ("right", listing, plain):
        assert evaluate(*submission, "--sequences", names) == 0
        words = capsys.readouterr().out
        assert "right" in words and "left" not in words


def test_the_ground_truth_may_be_named(submission, capsys):
    assert evaluate(*submission, "--ground-truth-name", "DAVIS 2016, my own") == 0
    assert "DAVIS 2016, my own" in capsys.readouterr().out


def test_the_threshold_and_normalisation_decide_and_are_printed(submission, tmp_path, capsys):
    found = []
    for options in ([], ["--threshold", "0.9"]):
        output = tmp_path / "result.json"
        assert evaluate(*submission, "--probabilities", "--json", output, *options) == 0
        found.append(json.loads(output.read_text()))
    assert found[0]["overall"]["J_mean"] > found[1]["overall"]["J_mean"]
    assert [record["threshold"] for record in found] == [0.5, 0.9]
    assert evaluate(*submission, "--protocol", "saliency", "--no-normalise") == 0
    assert "maps as given" in capsys.readouterr().out


def test_objects(submission, tmp_path):
    _, truth = submission
    labels = tmp_path / "labels"
    for path in truth.rglob("*.png"):
        (labels / path.parent.name).mkdir(parents=True, exist_ok=True)
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(labels / path.parent.name / path.name), mask // 255)
    output = tmp_path / "result.json"
    options = ["--protocol", "davis2017-unsupervised", "--json", output]
    assert evaluate(labels, labels, *options) == 0
    record = json.loads(output.read_text())
    assert record["frames_counted"] == 20 and record["overall"]["J&F"] == 1
    (first,) = record["sequences"]["left"]["objects"]
    assert (first["object"], first["proposal"]) == (1, 1)


def test_a_single_sequence(submission, capsys):
    masks, truth = submission
    assert evaluate(masks / "left", truth / "left") == 0
    assert "left" in capsys.readouterr().out


def test_missing_frames_are_refused_or_said(submission, capsys):
    masks, _ = submission
    (masks / "left" / "00003.png").unlink()
    assert evaluate(*submission) == 2
    assert "left/00003" in capsys.readouterr().err
    assert evaluate(*submission, "--allow-missing") == 0
    assert "1, counted as empty" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--json", "{masks}/result.json"], "which is read only"),
        (["--json", "{masks}/left/00000.png"], "exists and is no evaluation"),
        (["--json", "{truth}/left/result.json"], "which is read only"),
        (["--json", "{masks}/../absent/result.json"], "no such folder"),
        (["--threshold", "1"], "threshold 1.0 is out of range"),
        (["--workers", "0"], "--workers 0 is out of range"),
        (["--sequences", "middle"], "no ground truth of middle; there is left, right"),
        (["--split", "dev"], "no data set with splits"),
        (["--protocol", "davis2017-unsupervised"], "object number 255 is above 20"),
    ],
)
def test_bad_input_is_one_line_and_status_2(submission, capsys, options, words):
    masks, truth = submission
    before = snapshot(masks, truth)
    options = [option.format(masks=masks, truth=truth) for option in options]
    assert evaluate(masks, truth, *options) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1 and printed.err.startswith("error: ")
    assert words in printed.err and "frames" not in printed.out
    assert snapshot(masks, truth) == before


@pytest.mark.parametrize("which", [0, 1])
def test_folders_that_are_not_there(submission, capsys, which):
    folders = list(submission)
    folders[which] = folders[which] / "absent"
    assert evaluate(*folders) == 2
    assert "absent: no such folder" in capsys.readouterr().err
