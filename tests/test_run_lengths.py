"""Runs are read as pycocotools writes them, and what does not fit is refused."""

import numpy as np
import pytest

from threedcseg.run_lengths import coco_mask, mask_of

HEIGHT, WIDTH = 37, 53


@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
def test_texts_are_those_of_pycocotools(density):
    coco = pytest.importorskip("pycocotools.mask")
    mask = np.random.default_rng(1).random((HEIGHT, WIDTH)) < density
    mask[5:20, 3:40] |= density > 0
    counts = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert np.array_equal(coco_mask(counts, HEIGHT, WIDTH), mask)


def test_behind_the_last_run_is_background():
    assert mask_of([2, 1], 5).tolist() == [False, False, True, False, False]
    assert not mask_of([], 3).any()


@pytest.mark.parametrize("lengths", [[4, 2], [-1], [6, -1]])
def test_runs_that_do_not_fit(lengths):
    with pytest.raises(ValueError, match="do not fit"):
        mask_of(lengths, 5)


@pytest.mark.parametrize("counts", ["", [], [1], "o" * 1000, [2**70], 5])
def test_what_is_no_mask_of_that_size(counts):
    with pytest.raises((ValueError, TypeError, OverflowError)):
        coco_mask(counts, HEIGHT, WIDTH)
