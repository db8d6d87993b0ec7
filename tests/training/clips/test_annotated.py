import pytest
from made_trees import write_frame

from threedcseg.training.clips.annotated import is_reduced
from threedcseg.video.images import read_image


@pytest.mark.parametrize("size", [(480, 854), (481, 853), (1080, 1920)])
@pytest.mark.parametrize("edge", [None, 240, 128])
def test_whatever_a_frame_is_decoded_at_is_known_as_its_reduction(tmp_path, size, edge):
    frame = read_image(write_frame(tmp_path / "frame.jpg", size), edge)
    assert is_reduced(frame.shape, size)


def test_sizes_that_no_reduction_explains(tmp_path):
    assert not is_reduced((240, 427), (480, 800))
    assert not is_reduced((240, 427), (240, 428))
    assert not is_reduced((480, 854), (240, 427))
