"""docs/data.md: its table names every layout, and its example is a data set in one file."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_trees import box, write_frame, write_labels

from threedcseg.datasets.check import check_dataset
from threedcseg.datasets.kinds import KINDS
from threedcseg.datasets.masks import read_mask
from threedcseg.datasets.registry import open_dataset
from threedcseg.training.clips.augmentation import Augmentation
from threedcseg.training.clips.video import VideoClips

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


def example() -> str:
    """The module that the page shows."""
    found = re.search(r"<!-- tested by .*?-->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def mine(tmp_path):
    """A folder as the page describes it: two videos of five frames, three with a mask."""
    for name in ("cat", "dog"):
        for i in range(5):
            write_frame(tmp_path / "mine" / f"{name}-{i:04d}.png", seed=i)
        for i in (1, 2, 3):
            write_labels(tmp_path / "mine" / f"{name}-{i:04d}-mask.png")
    return tmp_path / "mine"


def test_the_example_reads_checks_and_trains(mine):
    try:
        exec(compile(example(), str(PAGE), "exec"), {})
        data = open_dataset("mine", mine)
        assert check_dataset(mine).splits[0].num_masks == 6
    finally:
        del KINDS["mine"]
    assert [s.name for s in data.sequences] == ["cat", "dog"]
    annotated = [mask is not None for mask in data.sequences[1].masks]
    assert annotated == [False, True, True, True, False]
    np.testing.assert_array_equal(read_mask(data.sequences[1].masks[3]), box())
    rng = np.random.default_rng(0)
    clip = VideoClips(data.sequences).draw(2, (16, 32), Augmentation(), rng)
    assert clip.frames.shape == (2, 16, 32, 3) and clip.masks.shape == (2, 16, 32)


RECIPE = """
model: {name: compact, width: lite0, channels: 8}
imagenet: false
stages:
  - name: motion
    sources: [{kind: mine, root: mine}]
    steps: 1
    batch_size: 1
    size: [32, 64]
    learning_rate: 1.0e-3
"""

# As if the folder of the new module were the package's own.
DRIVER = """
import sys
import threedcseg.datasets
from threedcseg.cli.main import main
threedcseg.datasets.__path__.append(sys.argv[1])
sys.exit(main(sys.argv[2:]))
"""


def test_one_file_is_all_that_the_command_line_needs(mine, tmp_path):
    """The three commands that read data sets, after nothing but a new module."""
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine.py").write_text(example())
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    for name in ("cat", "dog"):
        for i in (1, 2, 3):
            write_labels(tmp_path / "predicted" / name / f"{name}-{i:04d}.png")

    def run(*words: str) -> str:
        command = [sys.executable, "-c", DRIVER, str(tmp_path / "new"), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    checked = run("data", "check", str(mine))
    assert "My videos (mine) all: 2 sequences, 10 frames, 6 masks" in checked
    scored = run("evaluate", str(tmp_path / "predicted"), str(mine))
    assert "My videos, all" in scored and "100.0" in scored
    described = run(
        "train", "--config", str(tmp_path / "recipe.yaml"), "--data", str(tmp_path), "--dry-run"
    )
    assert "data mine (My videos, all): 2 sequences, 10 frames, 6 of them with a mask" in described


def test_every_kind_is_in_the_table():
    rows = re.findall(r"^\| `([\w-]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(KINDS)
