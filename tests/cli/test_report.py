"""`3dcseg report` from the command line: what it writes, and what it refuses."""

import json
import shutil
import sys

import pytest
from PIL import Image

from threedcseg.cli.main import main

SEQUENCES = ("left", "right")


@pytest.fixture(scope="module")
def scored(tiny_data, tmp_path_factory):
    """A folder with ``davis``, ``masks`` (the ground truth itself) and their ``result.json``."""
    root = tmp_path_factory.mktemp("scored")
    shutil.copytree(tiny_data / "davis", root / "davis")
    shutil.copytree(root / "davis" / "Annotations" / "480p", root / "masks")
    words = [str(root / "masks"), str(root / "davis"), "--split", "train"]
    assert main(["evaluate", *words, "--json", str(root / "result.json")]) == 0
    return root


def words_of(scored, output):
    truth = ["--ground-truth", str(scored / "davis"), "--split", "train"]
    return ["report", str(scored / "result.json"), "-o", str(output), *truth]


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_report_is_one_folder_and_replaces_its_former_self(scored, tmp_path, capsys):
    output = tmp_path / "report"
    assert main(words_of(scored, output)) == 0
    assert str(output / "index.html") in capsys.readouterr().out
    first = listing(output)
    media = [name for name in first if name.startswith("media/")]
    assert len(media) == 2 * 10 * 3  # frame, ground truth and mask
    assert len([name for name in first if name.startswith("stills/")]) == 3 * 4
    page = (output / "index.html").read_bytes()
    assert main(words_of(scored, output)) == 0
    assert listing(output) == first
    assert (output / "index.html").read_bytes() == page
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_pictures_are_no_wider_than_asked(scored, tmp_path):
    assert main([*words_of(scored, tmp_path / "report"), "--width", "40"]) == 0
    for path in (tmp_path / "report" / "media").rglob("*.*"):
        assert Image.open(path).size == (40, 24)


def test_names_are_shown_and_nothing_in_them_is_taken_for_markup(scored, tmp_path):
    name = "<script>alert(1)</script>"
    assert main([*words_of(scored, tmp_path / "report"), "--names", name]) == 0
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert name not in page and "&lt;script&gt;" in page


def test_probability_maps_are_found_where_segment_writes_them(scored, tmp_path):
    for name in SEQUENCES:
        source = scored / "masks" / name
        shutil.copytree(source, tmp_path / "maps" / name / "probabilities")
    scoring = [str(tmp_path / "maps"), str(scored / "davis"), "--split", "train"]
    scoring += ["--probabilities", "--protocol", "saliency", "--json", str(tmp_path / "maps.json")]
    assert main(["evaluate", *scoring]) == 0
    truth = ["--ground-truth", str(scored / "davis"), "--split", "train"]
    words = ["report", str(tmp_path / "maps.json"), "-o", str(tmp_path / "report"), *truth]
    assert main(words) == 0
    assert "MAE" in (tmp_path / "report" / "index.html").read_text("utf-8")


@pytest.mark.parametrize("protocol", ["3dc-seg-published", "davis2017-unsupervised"])
def test_other_protocols_have_reports_too(scored, tmp_path, protocol):
    masks, truth = scored / "masks", scored / "davis" / "Annotations" / "480p"
    if protocol == "davis2017-unsupervised":  # objects are numbered
        for name in SEQUENCES:
            (tmp_path / "truth" / name).mkdir(parents=True)
            for path in sorted((masks / name).iterdir()):
                labels = Image.open(path).point(lambda value: value // 255)
                labels.save(tmp_path / "truth" / name / path.name)
        masks = truth = tmp_path / "truth"
    scoring = [str(masks), str(truth), "--protocol", protocol]
    assert main(["evaluate", *scoring, "--json", str(tmp_path / "run.json")]) == 0
    words = ["report", str(tmp_path / "run.json"), "-o", str(tmp_path / "report")]
    frames = ["--frames", str(scored / "davis")]
    assert main([*words, "--ground-truth", str(truth), *frames]) == 0
    assert protocol in (tmp_path / "report" / "index.html").read_text("utf-8")


def test_a_foreign_folder_is_left_alone(scored, tmp_path, capsys):
    output = tmp_path / "holiday"
    output.mkdir()
    (output / "index.html").write_text("mine")
    assert main(words_of(scored, output)) == 2
    assert "holiday" in capsys.readouterr().err
    assert listing(output) == ["index.html"]


def test_a_failure_leaves_the_former_report_and_nothing_else(scored, tmp_path, capsys):
    output = tmp_path / "report"
    assert main(words_of(scored, output)) == 0
    before = listing(output)
    record = json.loads((scored / "result.json").read_text())
    record["sequences"]["right"]["per_frame"]["J"][-1] = 0.5  # of no mask that is there
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(record))
    words = words_of(scored, output)
    words[1] = str(wrong)
    assert main(words) == 2
    assert "00009.png is not what" in capsys.readouterr().err
    assert listing(output) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report", "wrong.json"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--predictions", "one", "two"], "2 folders of predictions for 1 runs"),
        (["--frames", "."], "no frames of left"),
        (["--names", "a,b"], "2 names for 1 runs"),
        (["--width", "3"], "--width 3"),
        (["--split", "dev"], "no ground truth of left"),
        (["--workers", "0"], "--workers 0"),
        (["-o", "no/such/place"], "no/such"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(scored, tmp_path, monkeypatch, capsys, change, told):
    monkeypatch.chdir(tmp_path)
    assert main([*words_of(scored, "report"), *change]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and told in error
    assert not list(tmp_path.iterdir())


def test_ground_truth_is_never_taken_for_the_frames(scored, tmp_path, capsys):
    words = ["report", str(scored / "result.json"), "-o", str(tmp_path / "report")]
    assert main([*words, "--ground-truth", str(scored / "masks")]) == 2
    assert "--frames" in capsys.readouterr().err
    frames = ["--frames", str(scored / "davis" / "JPEGImages" / "480p")]
    assert main([*words, "--ground-truth", str(scored / "masks"), *frames]) == 0


def test_gray_masks_of_labels_are_shown_as_they_were_scored(scored, tmp_path):
    for name in SEQUENCES:
        (tmp_path / "labels" / name).mkdir(parents=True)
        for path in sorted((scored / "masks" / name).iterdir()):
            labels = Image.open(path).point(lambda value: value // 255)
            labels.save(tmp_path / "labels" / name / path.name)
    truth = [str(scored / "davis"), "--split", "train"]
    scoring = [str(tmp_path / "labels"), *truth, "--read-as", "labels"]
    assert main(["evaluate", *scoring, "--json", str(tmp_path / "run.json")]) == 0
    words = words_of(scored, tmp_path / "report")
    words[1] = str(tmp_path / "run.json")
    assert main(words) == 0
    for kind in ("run0", "truth"):
        (folder,) = (tmp_path / "report" / "media").glob(f"*left/{kind}")
        shown = Image.open(folder / "00003.png").convert("RGBA").getchannel("A")
        assert shown.getextrema() == (0, 255)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other"}', "\x00"])
def test_a_file_that_is_no_result_is_told(tmp_path, capsys, text):
    (tmp_path / "run.json").write_text(text)
    assert main(["report", str(tmp_path / "run.json"), "-o", str(tmp_path / "report")]) == 2
    assert "run.json" in capsys.readouterr().err


def test_predictions_that_moved_are_asked_for(scored, tmp_path, capsys):
    record = json.loads((scored / "result.json").read_text()) | {"predictions": "gone"}
    (tmp_path / "run.json").write_text(json.dumps(record))
    words = words_of(scored, tmp_path / "report")
    words[1] = str(tmp_path / "run.json")
    assert main(words) == 2
    assert "--predictions" in capsys.readouterr().err
    assert main([*words, "--predictions", str(scored / "masks")]) == 0


def test_jinja2_is_asked_for_where_it_is_missing(scored, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert main(words_of(scored, tmp_path / "report")) == 2
    assert "threedcseg[report]" in capsys.readouterr().err
