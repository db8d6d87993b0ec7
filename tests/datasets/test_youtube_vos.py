import json

import numpy as np
import pytest
from made_trees import SIZE, box, write_frame, write_labels

from threedcseg.datasets.masks import read_mask
from threedcseg.datasets.youtube_vos import youtube_vos
from threedcseg.errors import InputError


@pytest.fixture
def root(tmp_path):
    """Two videos with every fifth frame, two objects in palette masks."""
    labels = box(1)
    labels[:, 30:] = 2
    for video in ("003234408d", "0043f083b5"):
        for i in range(0, 40, 5):
            write_frame(tmp_path / "train" / "JPEGImages" / video / f"{i:05d}.jpg")
            folder = tmp_path / "train" / "Annotations" / video
            write_labels(folder / f"{i:05d}.png", labels, "P")
    objects = {"1": {"category": "dog", "frames": ["00000", "00005"]}}
    meta = {"videos": {"0043f083b5": {"objects": objects}, "003234408d": {"objects": objects}}}
    (tmp_path / "train" / "meta.json").write_text(json.dumps(meta))
    return tmp_path


def test_videos_of_the_meta_file(root):
    write_frame(root / "train" / "JPEGImages" / "not-listed" / "00000.jpg")
    sequences = youtube_vos(root)
    assert [s.name for s in sequences] == ["003234408d", "0043f083b5"]
    assert [p.stem for p in sequences[0].frames] == [f"{i:05d}" for i in range(0, 40, 5)]
    expected = box()
    expected[:, 30:] = 255
    for mask in sequences[0].masks:
        np.testing.assert_array_equal(read_mask(mask), expected)


def test_without_meta_file_the_folders_are_the_videos(root):
    (root / "train" / "meta.json").unlink()
    assert len(youtube_vos(root)) == 2


def test_all_frames_take_their_masks_from_train(root):
    for i in range(10):
        write_frame(root / "train_all_frames" / "JPEGImages" / "003234408d" / f"{i:05d}.jpg")
    (sequence,) = youtube_vos(root, "train_all_frames")
    assert [i for i, mask in enumerate(sequence.masks) if mask is not None] == [0, 5]


def test_another_folder_of_masks(root):
    folder = root / "train" / "CleanedAnnotations" / "003234408d"
    write_labels(folder / "00000.png", np.ones(SIZE, np.uint8), "P")
    sequence = youtube_vos(root, annotations="CleanedAnnotations")[0]
    assert read_mask(sequence.masks[0]).all()


def test_holes_are_named(root):
    with pytest.raises(InputError, match=r"valid/JPEGImages: no such folder: expected"):
        youtube_vos(root, "valid")
    for path in (root / "train" / "JPEGImages" / "0043f083b5").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"no frames of 1 of the 2 .*0043f083b5.*: complete"):
        youtube_vos(root)
    (root / "train" / "meta.json").write_text("[]")
    with pytest.raises(InputError, match=r"meta\.json: not the meta\.json of YouTube-VOS"):
        youtube_vos(root)
    (root / "train" / "meta.json").write_text('{"videos": {}}')
    with pytest.raises(InputError, match="the split is empty"):
        youtube_vos(root)
