"""The example of docs/data.md, run as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest
from made_trees import box, write_frame, write_labels

from threedcseg.datasets.check import check_dataset
from threedcseg.datasets.registry import KINDS, open_dataset
from threedcseg.datasets.sequence import read_mask
from threedcseg.training.clips.augmentation import Augmentation
from threedcseg.training.clips.dataset import VideoClips

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


@pytest.fixture
def mine():
    """Runs the page's example; the registry is as before afterwards."""
    page = PAGE.read_text()
    example = re.search(r"<!-- tested by .*?-->\n```python\n(.*?)```", page, re.DOTALL)
    assert example is not None
    exec(compile(example[1], str(PAGE), "exec"), {})
    yield
    del KINDS["mine"]


def test_the_example_reads_checks_and_trains(mine, tmp_path):
    for name in ("cat", "dog"):
        for i in range(5):
            write_frame(tmp_path / f"{name}-{i:04d}.png", seed=i)
        write_labels(tmp_path / f"{name}-0003-mask.png")
    data = open_dataset("mine", tmp_path)
    assert [s.name for s in data.sequences] == ["cat", "dog"]
    assert [mask is not None for mask in data.sequences[1].masks] == [False] * 3 + [True, False]
    np.testing.assert_array_equal(read_mask(data.sequences[1].masks[3]), box())
    assert check_dataset(tmp_path, "mine").num_errors == 0
    rng = np.random.default_rng(0)
    frames, masks = VideoClips(data.sequences).draw(2, (16, 32), Augmentation(), rng)
    assert frames.shape == (2, 16, 32, 3) and masks.shape == (2, 16, 32)


def test_every_kind_is_in_the_table():
    rows = re.findall(r"^\| `([\w-]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert rows == list(KINDS)
