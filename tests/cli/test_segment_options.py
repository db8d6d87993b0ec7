"""Options of `3dcseg segment` do what they say, or are refused."""

import json
from pathlib import Path

import pytest
from made_videos import gray_frames, write_video
from PIL import Image

from threedcseg.cli.main import main
from threedcseg.video.reader import open_video


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for i, image in enumerate(gray_frames(6)):
        Image.fromarray(image).save(folder / f"{i}.png")
    return folder


def test_fps_gives_a_folder_its_rate(tmp_path: Path, frames: Path) -> None:
    out = tmp_path / "out"
    assert main(["segment", str(frames), "-o", str(out), "--write", "matte", "--fps", "30"]) == 0
    with open_video(out / "frames" / "matte.mp4") as video:
        assert video.rate == 30
    record = json.loads((out / "frames" / "3dcseg.json").read_text())
    assert record["reading"] == {"fps": "30", "deinterlace": True}


@pytest.mark.parametrize(
    "options",
    [
        ["--fps", "30"],
        ["--queue", "2"],
        ["--when-behind", "wait"],
        ["--size", "64x48"],
        ["--pixel-format", "gray"],
        ["--pipe-format", "gray"],
        ["--background", "red"],
        ["--edges", "soft"],
        ["--feather", "2"],
    ],
    ids=lambda options: options[0],
)
def test_an_option_that_cannot_apply_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    video = write_video(tmp_path / "a.mp4", gray_frames(2))
    assert main(["segment", str(video), "-o", str(tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err
    assert options[0] in error and len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_rate_that_is_none(
    tmp_path: Path, frames: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", str(frames), "-o", str(tmp_path / "out"), "--fps", "fast"]) == 2
    assert "fast" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--keep", "1,2,3,4"], "that is for --keep-box"),
        (["--drop-box", "1,2"], "that is for --drop"),
        (["--keep", "here"], "cannot tell where 'here' is"),
        (["--keep", "1,2@soon"], "'soon' is no time"),
        (["--keep", "99,2"], "99,2 is outside of the frame: x goes from 0 to 63, y to 47"),
        (["--drop", "5,5@1:00"], "5,5@1:00 is after the end"),
        (["--drop-small", "1"], "give a share below 1"),
        (["--corrected", "absent.xml"], "absent.xml does not exist"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_choice_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    video = write_video(tmp_path / "a.mp4", gray_frames(2))
    words = ["segment", str(video), "-o", str(tmp_path / "out"), "--quiet", *options]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1


def test_a_correction_is_of_one_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = [str(write_video(tmp_path / name, gray_frames(2))) for name in ("a.mp4", "b.mp4")]
    words = ["segment", *videos, "-o", str(tmp_path / "out"), "--corrected", str(tmp_path)]
    assert main(words) == 2
    assert "is of one video, 2 are given" in capsys.readouterr().err
