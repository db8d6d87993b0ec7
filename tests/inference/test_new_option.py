"""The recipe of CONTRIBUTING.md for an option of inference, followed in a copy of the package."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

SOURCE = Path(__file__).parents[2] / "src" / "threedcseg"
DECLARED = """
    invert: Annotated[bool, Option("what is not salient, instead", group=POST_PROCESSING)] = False

    def check("""
ACTS = """
    if settings.invert:
        full = 1 - full
    return drop_regions("""


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))


@pytest.mark.slow
def test_an_option_of_inference_touches_two_files(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "src" / "threedcseg")
    inference = tmp_path / "src" / "threedcseg" / "inference"
    edit(inference / "settings.py", "\n    def check(", DECLARED)
    edit(inference / "predictor.py", "\n    return drop_regions(", ACTS)
    frames = tmp_path / "frames"
    frames.mkdir()
    for index in range(3):
        cv2.imwrite(str(frames / f"{index}.png"), np.full((64, 96, 3), 40 * index, np.uint8))

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "threedcseg.cli.main", "segment", *words]
        env = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "COLUMNS": "200"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "what is not salient, instead (default: no)" in run("--help")
    given = [str(frames), "--short-edge", "64", "--tta", "1", "--upsampling", "linear"]
    run(*given, "-o", str(tmp_path / "plain"))
    run(*given, "-o", str(tmp_path / "inverted"), "--invert")
    plain, inverted = (
        cv2.imread(str(tmp_path / name / "frames" / "0.png"), cv2.IMREAD_GRAYSCALE)
        for name in ("plain", "inverted")
    )
    assert np.array_equal(inverted, 255 - plain)
    record = json.loads((tmp_path / "inverted" / "frames" / "3dcseg.json").read_text())
    assert record["settings"]["invert"] is True
