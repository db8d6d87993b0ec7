import cv2
import made_packs
import numpy as np
import pytest

from threedcseg.datasets.packs import read_footage, read_pack
from threedcseg.datasets.registry import open_dataset
from threedcseg.errors import InputError


def test_stills_come_as_they_were_packed(tmp_path):
    footage = read_pack(made_packs.stills(tmp_path))
    assert [(f.name, f.group, f.pixels.shape) for f in footage] == [("one", "made", (1, 30, 50, 4))]
    image, mask = made_packs.pictures()[0]
    assert np.array_equal(footage[0].pixels[0, ..., :3], image)
    assert np.array_equal(footage[0].pixels[0, ..., 3], mask)


def test_of_a_sequence_come_the_frames_that_have_a_mask(tmp_path):
    frames, masks = made_packs.frames()
    (footage,) = read_pack(made_packs.sequences(tmp_path))
    assert footage.numbers.tolist() == [0, 2, 3]
    for number, pixels in zip(footage.numbers, footage.pixels, strict=True):
        assert np.abs(pixels[..., :3].astype(int) - frames[number]).max() <= 3
        assert np.array_equal(pixels[..., 3], masks[number])


def test_what_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(InputError, match=r"other: no pack of that name: .*other\.json"):
        read_pack(tmp_path / "other")
    path = made_packs.stills(tmp_path)
    blob = path.with_suffix(".bin").read_bytes()
    path.with_suffix(".bin").write_bytes(blob[: len(blob) // 3])
    with pytest.raises(InputError, match=r"stills\.bin: entry 0 cannot be read"):
        read_pack(path)
    path.with_suffix(".json").write_text("[")
    with pytest.raises(InputError, match=r"stills\.json: not a readable pack"):
        read_pack(path)
    path = made_packs.sequences(tmp_path)
    path.with_suffix(".vbin").unlink()
    with pytest.raises(InputError, match=r"videos\.vjson: not a readable pack"):
        read_pack(path)


def test_layouts_on_disk_come_alike_and_are_shrunk(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("frames", "masks"):
        (tmp_path / "walk" / part).mkdir(parents=True)
    mask = np.zeros((80, 120), np.uint8)
    mask[20:60, 30:90] = 255
    for t in range(3):
        image = cv2.resize(rng.integers(0, 256, (4, 6, 3), np.uint8), (120, 80))
        cv2.imwrite(str(tmp_path / "walk" / "frames" / f"{t}.png"), image[..., ::-1])
        if t != 1:
            cv2.imwrite(str(tmp_path / "walk" / "masks" / f"{t}.png"), mask)
    sequences = open_dataset("folder", tmp_path, "all").sequences
    (full,) = read_footage(sequences, "own")
    assert full.group == "own" and full.numbers.tolist() == [0, 2]
    assert np.array_equal(full.pixels[1, ..., :3], image)
    assert np.array_equal(full.pixels[1, ..., 3], mask)
    (small,) = read_footage(sequences, "own", max_short_edge=40)
    assert small.pixels.shape == (2, 40, 60, 4)
    assert np.array_equal(small.pixels[0, ..., 3], mask[::2, ::2])


def test_masks_of_another_size_are_named(tmp_path):
    for part, shape in (("images", (8, 9, 3)), ("masks", (8, 8))):
        (tmp_path / part).mkdir()
        cv2.imwrite(str(tmp_path / part / "a.png"), np.full(shape, 255, np.uint8))
    with pytest.raises(InputError, match=r"a\.png: the mask is 8x8, its frame a\.png 9x8"):
        read_footage(open_dataset("stills", tmp_path).sequences, "own")


def test_stills_of_a_folder_are_a_group(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / "people" / part).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "people" / part / "a.png"), np.full((8, 9), 255, np.uint8))
    (found,) = read_footage(open_dataset("stills", tmp_path).sequences, "own")
    assert (found.name, found.group) == ("people/a", "people")
