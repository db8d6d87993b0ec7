"""`3dcseg segment` of pictures: one by itself, and folders of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_videos import gray_frames, write_video
from PIL import Image
from tiny_segment import save_tiny_weights, segment


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_weights(tmp_path_factory.mktemp("weights"))


def picture(path: Path, height: int = 48, width: int = 64) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(gray_frames(1, height, width)[0]).save(path)
    return path


def test_one_picture(tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, out = picture(tmp_path / "beach.jpg", 50, 70), tmp_path / "out"
    assert segment(weights, photo, "-o", out, "--write", "masks,overlay,boxes") == 0
    assert "a picture shows no motion: its mask is weaker" in capsys.readouterr().out
    (mask,) = (out / "beach").glob("*.png")
    assert mask.name == "beach.png" and np.asarray(Image.open(mask)).shape == (50, 70)
    assert (out / "beach" / "overlay.mp4").exists()
    record = json.loads((out / "beach" / "3dcseg.json").read_text())
    assert (record["num_frames"], record["frame_names"]) == (1, ["beach"])
    assert segment(weights, photo, "-o", out) == 0
    assert "done before" in capsys.readouterr().out


def test_one_picture_to_one_file(tmp_path: Path, weights: Path) -> None:
    photo = picture(tmp_path / "beach.jpg")
    assert segment(weights, photo, "-o", tmp_path / "mask.png") == 0
    assert set(np.unique(np.asarray(Image.open(tmp_path / "mask.png")))) <= {0, 255}


def test_a_picture_is_what_a_video_of_it_is(tmp_path: Path, weights: Path) -> None:
    photo, out = picture(tmp_path / "still.png"), tmp_path / "out"
    (tmp_path / "film").mkdir()
    picture(tmp_path / "film" / "0.png")
    assert segment(weights, photo, "-o", out, "--probabilities") == 0
    assert segment(weights, tmp_path / "film", "-o", out, "--probabilities") == 0
    one, other = (out / "still" / "probabilities" / "still.png"), out / "film" / "probabilities"
    assert one.read_bytes() == (other / "0.png").read_bytes()


def test_a_folder_of_pictures_goes_on_at_a_bad_one(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(tmp_path / "in" / "cat.jpg", 48, 64)
    (tmp_path / "in" / "bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    picture(tmp_path / "in" / "dog.png", 80, 40)
    out = tmp_path / "out"
    assert segment(weights, tmp_path / "in", "-o", out, "--stills") == 2
    told = capsys.readouterr().err
    assert "2 done, 0 done before, 1 failed" in told and "bad.jpg" in told
    sizes = {p.name: Image.open(p).size for p in out.glob("*/*.png")}
    assert sizes == {"cat.png": (64, 48), "dog.png": (40, 80)}


def test_what_stills_are_not(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video(tmp_path / "v.mp4", gray_frames(2))
    assert segment(weights, video, "-o", tmp_path / "out", "--stills") == 2
    assert "v.mp4 is no picture: leave --stills out" in capsys.readouterr().err
    photos = [picture(tmp_path / f"{n}.jpg") for n in (1, 2)]
    assert segment(weights, *photos, "-o", tmp_path / "out") == 2
    assert "--stills takes each by itself" in capsys.readouterr().err
    assert segment(weights, photos[0], "-o", tmp_path / "out", "--start", "1") == 2
    assert "no frame from 00:00:01.000" in capsys.readouterr().err
