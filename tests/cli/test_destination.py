"""What `-o` means, and that it is refused before any work where it cannot be."""

import json
import subprocess
import sys
from pathlib import Path

import av
import pytest
import torch
from made_videos import gray_frames, write_video

from threedcseg.cli.destination import check_file, default_folder, looks_like_a_file
from threedcseg.cli.main import main
from threedcseg.errors import InputError
from threedcseg.models import create_model
from threedcseg.models.weights import save_weights

REFUSED = """
import sys
from threedcseg.cli.main import main

assert main(["segment", *sys.argv[1:]]) == 2
assert "torch" not in sys.modules
"""


@pytest.fixture
def video(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_video(tmp_path / "dog.mp4", gray_frames(3))


@pytest.fixture
def tiny(tmp_path) -> list[str]:
    torch.manual_seed(0)
    save_weights(tmp_path / "tiny.safetensors", create_model("compact", width="lite0", channels=8))
    return ["--model", str(tmp_path / "tiny.safetensors"), "--short-edge", "32"]


def test_beside_the_input_by_its_name(video, tmp_path):
    (tmp_path / "holiday.2").mkdir()
    assert default_folder(["dog.mp4"]) == Path("dog-masks")
    assert default_folder([video]) == tmp_path / "dog-masks"
    assert default_folder(["holiday.2"]) == Path("holiday.2-masks")
    for here in (".", "holiday.2/.."):
        assert default_folder([here]) == tmp_path.with_name(f"{tmp_path.name}-masks")
    for several in (["dog.mp4", "dog.mp4"], ["*.mp4"]):
        with pytest.raises(InputError, match="no output folder given: add one, such as -o masks"):
            default_folder(several)


def test_by_default_it_is_printed(video, tiny, capsys):
    assert main(["segment", "dog.mp4", *tiny]) == 0
    assert "no -o given: results go to dog-masks" in capsys.readouterr().err
    assert len(list(Path("dog-masks/dog").glob("*.png"))) == 3


def test_one_file(video, tiny, capsys):
    words = ["segment", "dog.mp4", "-o", "cut.mp4", *tiny]
    assert main([*words, "--overlay"]) == 0
    assert capsys.readouterr().out == "3 frames of dog.mp4 -> cut.mp4\n"
    with av.open("cut.mp4") as made:
        assert sum(1 for _ in made.decode(video=0)) == 3
    assert {path.name for path in Path().iterdir()} == {"dog.mp4", "cut.mp4", "tiny.safetensors"}
    before = Path("cut.mp4").read_bytes()
    assert main([*words, "--write", "matte"]) == 2
    assert "cut.mp4 is there already" in capsys.readouterr().err
    assert Path("cut.mp4").read_bytes() == before
    assert main([*words, "--write", "matte", "--redo", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert Path("cut.mp4").read_bytes() != before


def test_what_looks_like_a_file(tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").touch()
    for name, is_file in (
        ("a.mp4", True), ("a.MOV", True), ("a.avi", True), ("a.png", True), ("boxes.csv", True),
        ("file", True), ("folder.mp4", False), ("masks.v2", False), ("masks", False),
    ):  # fmt: skip
        assert looks_like_a_file(tmp_path / name) is is_file, name


@pytest.mark.parametrize(
    ("output", "count", "write", "needle"),
    [
        ("new.mp4", 2, ("matte",), "given: 2 inputs and matte"),
        ("new.mp4", 1, ("masks",), "--write cutout, matte, overlay; given: 1 input and masks"),
        ("new.mp4", 1, ("matte", "overlay"), "given: 1 input and matte, overlay"),
        ("new.mov", 1, ("matte",), "--write alpha.mov; given"),
        ("new.avi", 1, ("matte",), "named as a file, expected a folder"),
        ("dog.mp4", 1, ("matte",), "the input itself"),
        ("there", 1, ("masks",), "-o there is a file, expected a folder"),
    ],
)
def test_what_no_file_can_be(video, output, count, write, needle):
    Path("there").touch()
    with pytest.raises(InputError) as caught:
        check_file(Path(output), [video] * count, write, redo=True)
    assert needle in str(caught.value) and caught.value.remedy


def test_refused_before_torch_is_imported(video):
    before = video.read_bytes()
    for words in (
        ["dog.mp4", "-o", "result.mp4"],
        ["dog.mp4", "-o", "dog.mp4", "--write", "overlay"],
        ["dog.mp4", "dog.mp4", "*.mp4", "none.mp4"],
        ["camera:0"],
        ["camera:0", "-o", "live.mp4", "--write", "overlay"],
        ["camera:0", "-o", "live", "--json"],
    ):
        command = [sys.executable, "-c", REFUSED, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and len(done.stderr.splitlines()) == 1, done.stderr
    assert video.read_bytes() == before and [path.name for path in Path().iterdir()] == ["dog.mp4"]


def test_objects_for_programs(video, tiny, capsys):
    Path("bad.mp4").write_bytes(b"no video")
    words = ["segment", "bad.mp4", "dog.mp4", "-o", "out", "--json", *tiny]

    def events() -> list[dict]:
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert main(words) == 2
    failed, start, done = events()
    assert failed.pop("reason").startswith("bad.mp4 cannot be opened")
    assert failed == {"event": "failed", "video": "bad.mp4", "folder": "out/bad"}
    dog = {"video": "dog.mp4", "folder": "out/dog"}
    assert start == {"event": "start", **dog, "size": [64, 48], "total": 3}
    facts = {"frames": 3, "cuts": [], "doubtful": [], "damage": None, "done_before": False}
    assert done == {"event": "done", **dog, **facts}
    assert main(words) == 2
    assert events()[-1] == {**done, "done_before": True}
    assert main(["segment", "none.mp4", *words[1:]]) == 2
    (refused,) = events()
    assert refused["event"] == "failed" and refused["video"] is None
    assert "none.mp4 does not exist" in refused["reason"]
