"""`3dcseg segment --start --end`: a part of a recording, and nothing of the rest."""

import csv
import json
from fractions import Fraction
from pathlib import Path

import av
import pytest
from made_videos import gray_frames, write_video
from PIL import Image
from tiny_segment import save_tiny_weights, segment

from threedcseg.cli.main import main
from threedcseg.video.reader import open_video


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_weights(tmp_path_factory.mktemp("weights"))


def test_masks_are_numbered_as_of_the_whole_and_videos_begin_at_0(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video(tmp_path / "v.mp4", gray_frames(100), rate=Fraction(25), audio="aac")
    out = tmp_path / "out"
    part = ["--start", "2", "--end", "0:02.4", "--write", "masks,matte,boxes,coco"]
    assert segment(weights, video, "-o", out, *part) == 0
    folder = out / "v"
    numbers = [f"{n:05d}" for n in range(50, 60)]
    assert sorted(mask.stem for mask in folder.glob("*.png")) == numbers
    with open_video(folder / "matte.mp4") as matte:
        assert [frame.time for frame in matte] == [Fraction(n, 25) for n in range(10)]
    with av.open(str(folder / "matte.mp4")) as file:
        assert len(file.streams.audio) == 1
    record = json.loads((folder / "3dcseg.json").read_text())
    assert record["reading"]["start"] == "00:00:02.000"
    assert record["reading"]["end"] == "00:00:02.400"
    assert (record["first_frame"], record["num_frames"]) == (50, 10)
    assert record["shots"][0]["first_frame"] == 50
    with (folder / "boxes.csv").open() as file:
        for row in csv.DictReader(file):
            assert float(row["seconds"]) == pytest.approx(int(row["frame"]) / 25)
    images = json.loads((folder / "coco.json").read_text())["images"]
    assert [image["frame_id"] for image in images] == list(range(50, 60))
    assert images[0]["seconds"] == 2

    capsys.readouterr()
    assert segment(weights, video, "-o", out, "--start", "00:00:02", "--end", "2.4") == 0
    assert "done before" in capsys.readouterr().out  # the same part, in other words

    assert segment(weights, video, "-o", out) == 2  # the whole would replace it
    error = capsys.readouterr().err
    assert "from 00:00:02.000 to 00:00:02.400" in error and "another output folder" in error
    assert segment(weights, video, "-o", out, "--start", "1", "--end", "1.2", "--redo") == 0
    numbers = [f"{n:05d}" for n in range(25, 30)]
    assert sorted(mask.stem for mask in folder.glob("*.png")) == numbers


def test_a_part_of_a_folder_of_frames(tmp_path: Path, weights: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for i, image in enumerate(gray_frames(12)):
        Image.fromarray(image).save(folder / f"shot{i}.png")
    out = tmp_path / "out"
    assert segment(weights, folder, "-o", out, "--fps", "10", "--start", "0.5", "--end", "0.8") == 0
    assert sorted(f.stem for f in (out / "frames").glob("*.png")) == ["shot5", "shot6", "shot7"]


@pytest.mark.parametrize(
    ("options", "needle"),
    [
        (["--start", "noon"], "'noon' is no time: give seconds"),
        (["--start", "3", "--end", "2"], "not after the start"),
        (["--start", "1:00"], "no frame from 00:01:00.000 in"),
    ],
)
def test_times_that_cannot_be(
    tmp_path: Path,
    weights: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    needle: str,
) -> None:
    video = write_video(tmp_path / "v.mp4", gray_frames(10))
    assert segment(weights, video, "-o", tmp_path / "out", *options) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1 and needle in errors[0]
    assert not list((tmp_path / "out").rglob("*.png"))


def test_what_is_live_is_no_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["segment", "camera:0", "-o", str(tmp_path / "o"), "--stills"]) == 2
    assert "--stills is for pictures in files here" in capsys.readouterr().err


def test_what_is_live_has_no_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["segment", "camera:0", "-o", str(tmp_path / "o"), "--start", "5"]) == 2
    error = capsys.readouterr().err
    assert error == (
        "error: --start goes with recordings, of which a part can be read: leave it out\n"
    )
