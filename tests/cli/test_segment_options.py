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
