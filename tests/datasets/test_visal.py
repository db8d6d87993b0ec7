import numpy as np
import pytest
from made_trees import box, write_frame, write_labels

from threedcseg.datasets.masks import read_mask
from threedcseg.datasets.visal import PUBLISHED, visal
from threedcseg.errors import InputError

NAMES = {
    "boat": [f"boat_{i:05d}.bmp" for i in range(1, 7)],
    "boat2": [f"boat2_{i:05d}.jpg" for i in range(1, 7)],
    "gokart": [f"gokart{i:04d}.png" for i in range(1, 7)],
}


def write_frames(root) -> None:
    for folder, names in NAMES.items():
        for name in names:
            write_frame(root / "ViSal" / folder / name)


def annotated(sequence) -> dict[str, str]:
    pairs = zip(sequence.frames, sequence.masks, strict=True)
    return {frame.name: mask.name for frame, mask in pairs if mask is not None}


def test_masks_in_one_folder_with_prefixes_that_contain_each_other(tmp_path):
    write_frames(tmp_path)
    for name in ("boat_00001.png", "boat2_00006.bmp", "boat2_00001.png", "gokart0003.bmp"):
        write_labels(tmp_path / "GroundTruth" / name)
    boat, boat2, gokart = visal(tmp_path)
    assert annotated(boat) == {"boat_00001.bmp": "boat_00001.png"}
    assert annotated(boat2) == {
        "boat2_00001.jpg": "boat2_00001.png",
        "boat2_00006.jpg": "boat2_00006.bmp",
    }
    assert annotated(gokart) == {"gokart0003.png": "gokart0003.bmp"}
    np.testing.assert_array_equal(read_mask(boat2.masks[5]), box())


def test_prefixed_masks_of_frames_without_prefix(tmp_path):
    for folder in ("boat", "boat2"):
        for i in range(3):
            write_frame(tmp_path / "ViSal" / folder / f"{i:03d}.jpg")
    write_labels(tmp_path / "GroundTruth" / "boat2_002.png")
    write_labels(tmp_path / "GroundTruth" / "boat_000.png")
    boat, boat2 = visal(tmp_path)
    assert annotated(boat) == {"000.jpg": "boat_000.png"}
    assert annotated(boat2) == {"002.jpg": "boat2_002.png"}


def test_masks_in_a_folder_of_each_sequence(tmp_path):
    write_frames(tmp_path)
    write_labels(tmp_path / "GroundTruth" / "boat2" / "boat2_00001.png")
    write_labels(tmp_path / "GroundTruth" / "boat" / "6.bmp")
    boat, boat2, gokart = visal(tmp_path)
    assert annotated(boat) == {"boat_00006.bmp": "6.bmp"}
    assert annotated(boat2) == {"boat2_00001.jpg": "boat2_00001.png"}
    assert annotated(gokart) == {}


def test_masks_without_a_frame_are_strays(tmp_path):
    write_frames(tmp_path)
    write_labels(tmp_path / "GroundTruth" / "boat_00099.png")
    assert [m.name for m in visal(tmp_path)[0].strays] == ["boat_00099.png"]


def test_17_sequences_are_published():
    assert len(set(PUBLISHED)) == 17


def test_bad_roots(tmp_path):
    with pytest.raises(InputError, match=r"GroundTruth: no such folder: is .* the root of ViSal"):
        visal(tmp_path)
    (tmp_path / "GroundTruth").mkdir()
    with pytest.raises(InputError, match="ViSal: no folders of frames"):
        visal(tmp_path)
    with pytest.raises(InputError, match="ViSal has no splits: choose all"):
        visal(tmp_path, "train")
