import numpy as np
import pytest
from made_trees import box, write_frame, write_labels, write_list

from threedcseg.datasets.folders import video_folders
from threedcseg.datasets.masks import read_mask
from threedcseg.datasets.stills import still_images
from threedcseg.errors import InputError


@pytest.fixture
def videos(tmp_path):
    for name in ("cat", "dog"):
        for i in range(4):
            write_frame(tmp_path / name / "frames" / f"{i}.jpg")
        write_labels(tmp_path / name / "masks" / "2.png")
    write_list(tmp_path / "train.txt", "dog", "")
    return tmp_path


def test_all_videos_or_those_of_a_list(videos):
    assert [s.name for s in video_folders(videos)] == ["cat", "dog"]
    (dog,) = video_folders(videos, "train")
    assert [mask is not None for mask in dog.masks] == [False, False, True, False]
    np.testing.assert_array_equal(read_mask(dog.masks[2]), box())


def test_holes_in_videos_are_named(videos):
    with pytest.raises(InputError, match=r"val\.txt: no such list: write the names"):
        video_folders(videos, "val")
    write_list(videos / "val.txt")
    with pytest.raises(InputError, match="the split is empty"):
        video_folders(videos, "val")
    write_list(videos / "val.txt", "cow")
    with pytest.raises(InputError, match="no frames: put those of sequence 'cow'"):
        video_folders(videos, "val")
    with pytest.raises(InputError, match="no SEQ/frames below it"):
        video_folders(videos / "cat" / "frames")


def test_stills_in_one_folder_or_several(tmp_path):
    write_frame(tmp_path / "one" / "images" / "a.jpg")
    write_labels(tmp_path / "one" / "masks" / "a.png")
    write_frame(tmp_path / "one" / "images" / "without-mask.jpg")
    write_frame(tmp_path / "one" / "images" / "._a.jpg")
    write_labels(tmp_path / "one" / "masks" / "._a.png")
    assert [s.name for s in still_images(tmp_path / "one")] == ["one/a"]
    write_frame(tmp_path / "two" / "images" / "b.png")
    write_labels(tmp_path / "two" / "masks" / "b.png")
    assert [s.name for s in still_images(tmp_path)] == ["one/a", "two/b"]
    with pytest.raises(InputError, match="no images/ and masks/"):
        still_images(tmp_path / "one" / "images")
    with pytest.raises(InputError, match="stills have no splits"):
        still_images(tmp_path, "train")
