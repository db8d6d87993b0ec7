import pytest

from threedcseg.cli.main import main

RECIPE = """
model: {name: compact, width: lite0, channels: 8}
imagenet: false
stages:
  - name: motion
    sources: [{kind: davis16, root: davis}]
    steps: 40
    batch_size: 1
    size: [32, 64]
    clip_length: 2
    learning_rate: 1.0e-3
"""


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_frame_stops_training_with_one_line(tiny_data, tmp_path, capsys, workers):
    for name in ("JPEGImages", "Annotations", "ImageSets"):
        (tmp_path / "davis" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "davis" / name).symlink_to(tiny_data / "davis" / name)
    frames = tmp_path / "davis" / "JPEGImages"
    frames.unlink()
    for path in (tiny_data / "davis" / "JPEGImages" / "480p").glob("*/*.jpg"):
        copy = frames / "480p" / path.parent.name / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes()[:-300])
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    arguments = ["--config", str(tmp_path / "recipe.yaml"), "--data", str(tmp_path)]
    output = ["-o", str(tmp_path / "run"), "--device", "cpu", "--workers", str(workers)]
    assert main(["train", *arguments, *output]) == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1
    assert error.count("\n") == 1
    assert "cannot be read as an image" in error and error.strip().endswith("replace or remove it")
    assert ".jpg" in error and "Traceback" not in error
