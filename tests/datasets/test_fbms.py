import numpy as np
import pytest
from made_trees import SIZE, box, write_frame, write_labels, write_list

from threedcseg.datasets.fbms import PUBLISHED, WHITE, fbms
from threedcseg.datasets.masks import read_mask
from threedcseg.errors import InputError


def colours(background: int, *objects: int) -> np.ndarray:
    """Objects of 24-bit colours side by side in the box's rows."""
    values = np.full(SIZE, background)
    for i, colour in enumerate(objects):
        values[8:16, 10 * i : 10 * i + 10] = colour
    return np.stack([values >> 16, values >> 8 & 255, values & 255], -1).astype(np.uint8)


@pytest.fixture
def root(tmp_path):
    """Sequences of both origins in `Testset`, ground truth at frames 1 and 20."""
    for i in range(1, 25):
        write_frame(tmp_path / "Testset" / "camel01" / f"camel01_{i:04d}.jpg")
        write_frame(tmp_path / "Testset" / "cars1" / f"cars1_{i:02d}.jpg")
        write_frame(tmp_path / "Testset" / "tennis" / f"tennis{i:03d}.jpg")
    (tmp_path / "Testset" / "cars1" / "cars1.bmf").write_text("24 1\n")
    for i in (1, 20):
        truth = tmp_path / "Testset" / "camel01" / "GroundTruth"
        write_labels(truth / f"camel01_{i:04d}_gt.ppm", colours(WHITE, 0x00FFFF, 0x000000), "RGB")
        write_labels(truth / f"camel01_{i:04d}_PROB_gt.ppm", colours(0, WHITE), "RGB")
        labels = box(120)
        labels[:, 30:] = 255
        write_labels(tmp_path / "Testset" / "cars1" / "GroundTruth" / f"cars1_{i:02d}.pgm", labels)
        write_labels(tmp_path / "Testset" / "tennis" / "GroundTruth" / f"tennis{i:03d}.pgm", labels)
    return tmp_path


def annotated(sequence) -> list[str]:
    pairs = zip(sequence.frames, sequence.masks, strict=True)
    return [frame.name for frame, mask in pairs if mask is not None]


def test_both_ways_of_naming(root):
    camel, cars, tennis = fbms(root, "test")
    assert [len(s.frames) for s in (camel, cars, tennis)] == [24, 24, 24]
    assert annotated(camel) == ["camel01_0001.jpg", "camel01_0020.jpg"]
    assert annotated(cars) == ["cars1_01.jpg", "cars1_20.jpg"]
    assert annotated(tennis) == ["tennis001.jpg", "tennis020.jpg"]
    assert all(not s.strays for s in (camel, cars, tennis))


def test_every_colour_but_the_background_is_foreground(root):
    camel, cars, _ = fbms(root, "test")
    expected = np.zeros(SIZE, np.uint8)
    expected[8:16, :20] = 255  # cyan and black on white
    np.testing.assert_array_equal(read_mask(camel.masks[0]), expected)
    gray = box()
    gray[:, 30:] = 255  # 120 and 255 on black
    np.testing.assert_array_equal(read_mask(cars.masks[19]), gray)


def test_the_definition_file_names_the_background(root):
    truth = root / "Testset" / "cars1" / "GroundTruth"
    write_list(
        truth / "cars1Def.dat",
        "Total number of regions:",
        "2",
        "",
        "Scale of region 0:",
        "120",
        "",
        "Scale of region 1:",
        "0",
    )
    cars = fbms(root, "test")[1]
    assert read_mask(cars.masks[0])[10, 12] == 0
    assert read_mask(cars.masks[0])[0, 0] == 255


def test_converted_masks_have_a_black_background_whatever_the_definition_says(root):
    truth = root / "Trainingset" / "bear01" / "GroundTruth"
    write_frame(root / "Trainingset" / "bear01" / "bear01_0007.jpg")
    write_list(truth / "bear01Def.dat", "Scale of region 0:", str(WHITE))
    write_labels(truth / "007_gt.png")
    (bear,) = fbms(root, "train")
    np.testing.assert_array_equal(read_mask(bear.masks[0]), box())


def test_the_original_comes_before_a_converted_copy(root):
    write_labels(root / "Testset" / "camel01" / "GroundTruth" / "camel01_0001.png", box(0))
    assert read_mask(fbms(root, "test")[0].masks[0]).any()


def test_masks_without_a_frame_are_strays(root):
    write_labels(root / "Testset" / "cars1" / "GroundTruth" / "cars1_40.pgm")
    assert [str(m)[-11:] for m in fbms(root, "test")[1].strays] == ["cars1_40.pgm"[-11:]]


def test_59_sequences_are_published():
    assert len(set(PUBLISHED["train"])) == 29
    assert len(set(PUBLISHED["test"])) == 30


def test_bad_roots(root):
    with pytest.raises(InputError, match="split 'val' of FBMS-59 is unknown: choose"):
        fbms(root, "val")
    with pytest.raises(InputError, match=r"Trainingset: no folders of frames: is .* the root"):
        fbms(root, "train")
