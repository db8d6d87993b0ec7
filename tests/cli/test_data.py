import cv2
import numpy as np
import pytest

from threedcseg.cli.main import main


@pytest.fixture
def videos(tmp_path):
    """One video of two frames, the first with a mask."""
    for folder in ("frames", "masks"):
        (tmp_path / "dog" / folder).mkdir(parents=True)
    for i in range(2):
        cv2.imwrite(str(tmp_path / "dog" / "frames" / f"{i}.png"), np.zeros((8, 9, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "dog" / "masks" / "0.png"), np.full((8, 9), 255, np.uint8))
    return tmp_path


def test_a_whole_data_set(videos, capsys):
    assert main(["data", "check", str(videos)]) == 0
    out = capsys.readouterr().out
    assert f"{videos.name} (folder) all: 1 sequences, 2 frames, 1 masks" in out
    assert "errors: 0, warnings: 0" in out


def test_errors_give_exit_status_2_and_name_the_remedy(videos, capsys):
    (videos / "dog" / "frames" / "1.png").write_bytes(b"")
    assert main(["data", "check", str(videos)]) == 2
    out = capsys.readouterr().out
    assert "error: dog: " in out and "1.png" in out and "replace or remove it" in out
    assert main(["data", "check", str(videos), "--quick"]) == 0


def test_bad_arguments_are_one_line(videos, capsys):
    for arguments in (["/no/such/folder"], [str(videos), "--kind", "folders"]):
        assert main(["data", "check", *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1
    assert "did you mean 'folder'" in error


def test_plain_clips_are_told_what_they_are_good_for(tmp_path, capsys):
    for name in ("a.mp4", "b.mov"):
        (tmp_path / name).touch()
    assert main(["data", "check", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "2 clips without masks (such as a.mp4)" in error
    assert f"`3dcseg segment {tmp_path}`" in error and "NAME/frames and NAME/masks" in error
