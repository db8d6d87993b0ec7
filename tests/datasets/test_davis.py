import shutil

import numpy as np
import pytest
from made_trees import box, davis16_tree, davis17_tree, write_frame, write_labels, write_list

from threedcseg.datasets.davis import LISTS_2016, davis16, davis17, davis17_unsupervised
from threedcseg.datasets.kinds import KINDS
from threedcseg.datasets.masks import VOID, read_mask
from threedcseg.datasets.registry import detect, open_dataset
from threedcseg.errors import InputError


def test_2016_as_published(tmp_path):
    root = davis16_tree(tmp_path, {"bear": 3, "a-long-one": 300})
    sequences = davis16(root, "train")
    assert [s.name for s in sequences] == ["bear", "a-long-one"]  # in the order of the list
    assert [len(s.frames) for s in sequences] == [3, 300]
    assert [p.stem for p in sequences[1].frames] == [f"{i:05d}" for i in range(300)]
    assert [p.stem for p in sequences[1].masks] == [f"{i:05d}" for i in range(300)]
    np.testing.assert_array_equal(read_mask(sequences[0].masks[0]), box())


def test_2016_with_lists_of_names_and_another_resolution(tmp_path):
    for i in range(2):
        write_frame(tmp_path / "JPEGImages" / "1080p" / "bear" / f"{i:05d}.jpg")
        write_labels(tmp_path / "Annotations" / "1080p" / "bear" / f"{i:05d}.png")
    write_list(tmp_path / "ImageSets" / "val.txt", "bear", "", "bear ")
    (sequence,) = davis16(tmp_path, "val", "1080p")
    assert len(sequence.frames) == 2


def test_2016_lists_are_known_by_name(tmp_path):
    val = LISTS_2016["val"]
    assert len(set(val)) == 20 and set(LISTS_2016["dev"]) < set(val)
    root = davis16_tree(tmp_path, dict.fromkeys(val, 1))  # as downloaded: no list named dev
    assert open_dataset("davis16", root, "dev").sequences == davis16(root, "dev")
    assert [s.name for s in davis16(root, "dev")] == list(LISTS_2016["dev"])
    assert KINDS["davis16"].splits(root) == ["dev", "train", "val"]
    write_list(root / "ImageSets" / "480p" / "dev.txt", "goat")  # a list that is there counts
    assert [s.name for s in davis16(root, "dev")] == ["goat"]
    shutil.rmtree(root / "JPEGImages" / "480p" / "soapbox")
    assert KINDS["davis16"].splits(root) == ["dev", "train"]
    with pytest.raises(InputError, match=r"no frames of 1 of the 20 .*soapbox"):
        davis16(root, "val")


def test_2016_masks_may_be_missing_empty_or_of_mode_la(tmp_path):
    root = davis16_tree(tmp_path, {"bmx-bumps": 3})
    folder = root / "Annotations" / "480p" / "bmx-bumps"
    (folder / "00000.png").unlink()
    write_labels(folder / "00001.png", box(0))
    write_labels(folder / "00002.png", box(255), "LA")
    masks = davis16(root)[0].masks
    assert masks[0] is None
    assert not read_mask(masks[1]).any()
    np.testing.assert_array_equal(read_mask(masks[2]), box())


def test_three_ground_truths_of_one_folder_are_told_apart(tmp_path):
    root = davis17_tree(tmp_path)
    assert detect(root) == ["davis17", "davis17-unsupervised"]
    merged = open_dataset("davis17", root, "val")
    unsupervised = open_dataset("davis17-unsupervised", root, "val")
    assert merged.ground_truth == "DAVIS 2017 merged"
    assert unsupervised.ground_truth == "DAVIS 2019 unsupervised"
    old = open_dataset("davis16", davis16_tree(tmp_path / "old", {"bear": 1}))
    assert old.ground_truth == "DAVIS 2016"

    mask, whole = (read_mask(d.sequences[0].masks[0]) for d in (merged, unsupervised))
    assert mask[10, 12] == 255 and mask[10, 35] == 255  # objects 1 and 2
    assert mask[0, 0] == 0 and whole[0, 0] == VOID
    np.testing.assert_array_equal(mask[4:], whole[4:])


def test_255_is_void_in_2017_and_foreground_in_2016(tmp_path):
    root = davis17_tree(tmp_path / "new")
    write_labels(root / "Annotations" / "480p" / "dogs" / "00000.png", box(255), "P")
    assert set(np.unique(read_mask(davis17(root, "val")[0].masks[0]))) == {0, VOID}
    old = davis16_tree(tmp_path / "old", {"bear": 1})
    assert set(np.unique(read_mask(davis16(old)[0].masks[0]))) == {0, 255}


def test_lists_of_2016_in_the_package_of_2017(tmp_path):
    root = davis17_tree(tmp_path)
    assert [s.name for s in davis17(root, "2016/val")] == ["dogs"]


def test_test_dev_of_2019_is_listed_in_a_folder_of_its_own(tmp_path):
    root = davis17_tree(tmp_path)
    write_list(root / "ImageSets" / "2019" / "test-dev.txt", "dogs")
    assert len(davis17_unsupervised(root, "test-dev")) == 1


def test_holes_are_named_with_the_remedy(tmp_path):
    root = davis16_tree(tmp_path, {"bear": 2})
    with pytest.raises(InputError, match=r"480p/val\.txt|val\.txt.*has train"):
        davis16(root, "val")
    write_list(root / "ImageSets" / "480p" / "val.txt")
    with pytest.raises(InputError, match="the split is empty: name one"):
        davis16(root, "val")
    write_list(root / "ImageSets" / "480p" / "val.txt", "bear", "bus", "cow")
    with pytest.raises(InputError, match=r"no frames of 2 of the 3 .*bus, cow.*: complete"):
        davis16(root, "val")
