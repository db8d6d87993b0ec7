import numpy as np
import pytest

from threedcseg.inference.stitch import Stitcher


def maps(*values):
    return np.array(values, np.float32)[:, None, None]


def test_overlapping_frames_are_averaged():
    stitcher = Stitcher()
    stitcher.add((0, 1), (0, 1), maps(0.2, 0.4))
    stitcher.add((1, 2), (1, 2), maps(0.8, 1.0))
    means = {index: float(mean[0, 0]) for index, mean in stitcher.finish()}
    assert means == {0: np.float32(0.2), 1: np.float32(0.6), 2: 1.0}


def test_a_frame_comes_out_with_its_mean():
    stitcher = Stitcher()
    stitcher.add((0, 1), ("first", "second"), maps(0.2, 0.4))
    assert [frame for frame, _ in stitcher.finish()] == ["first", "second"]


def test_every_copy_of_a_repeated_frame_counts():
    stitcher = Stitcher()
    stitcher.add((0, 0, 0, 1), (0, 0, 0, 1), maps(0.0, 0.0, 0.9, 0.5))
    assert float(next(stitcher.finish())[1][0, 0]) == pytest.approx(0.3)


def test_a_frame_that_has_left_is_neither_kept_nor_changed():
    stitcher = Stitcher()
    stitcher.add((0, 1), (0, 1), maps(0.2, 0.4))
    assert [index for index, _ in stitcher.finish(1)] == [0]
    stitcher.add((0, 1), (0, 1), maps(1.0, 1.0))
    assert [index for index, _ in stitcher.finish()] == [1]


def test_the_network_output_is_not_written_to():
    output = maps(0.2, 0.4)
    stitcher = Stitcher()
    stitcher.add((0, 1), (0, 1), output)
    stitcher.add((0, 1), (0, 1), output)
    list(stitcher.finish())
    assert np.array_equal(output, maps(0.2, 0.4))
