import numpy as np
import pytest
from made_trees import box, write_labels
from PIL import Image

from threedcseg.datasets.masks import VOID, LabelFile, read_labels, read_mask
from threedcseg.errors import InputError


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "I;16", "RGB", "RGBA"])
def test_masks_of_every_mode_are_read_alike(tmp_path, mode):
    suffix = "tif" if mode == "PA" else "png"
    value = 255 if mode == "1" else 200
    mask = read_mask(write_labels(tmp_path / f"mask.{suffix}", box(value), mode))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, box(255))


def test_an_index_counts_even_if_its_colour_is_black(tmp_path):
    image = Image.fromarray(box(7))
    image.putpalette([0] * 768)
    image.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), box(255))


def test_jpeg_masks_are_cut_at_one_half_since_jpeg_blurs_edges(tmp_path):
    path = tmp_path / "mask.jpg"
    Image.fromarray(box(255)).save(path, quality=60)
    assert np.unique(np.asarray(Image.open(path))).size > 2
    np.testing.assert_array_equal(read_mask(path), box(255))


def test_colours_are_labels_of_24_bits(tmp_path):
    colours = np.zeros((2, 2, 3), np.uint8)
    colours[0, 1] = 1, 2, 3
    Image.fromarray(colours).save(tmp_path / "labels.ppm")
    assert read_labels(tmp_path / "labels.ppm").tolist() == [[0, 0x010203], [0, 0]]


def test_a_label_file_knows_background_and_void(tmp_path):
    labels = box(3)
    labels[0] = 9
    path = write_labels(tmp_path / "labels.png", labels, "P")
    mask = LabelFile(path, background=3, void=9).read()
    assert np.unique(mask).tolist() == [0, VOID, 255]
    np.testing.assert_array_equal(mask == 0, labels == 3)
    np.testing.assert_array_equal(mask == VOID, labels == 9)


def test_void_counts_as_background_where_nobody_asks():
    assert 0 < VOID <= 127


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\xff\xd8\xff\xda\xff\xd9"])
def test_what_is_no_mask_is_refused(tmp_path, content):
    for name in ("x.jpg", "x.png"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="not a readable mask"):
            read_mask(tmp_path / name)


def test_missing_masks_are_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png: no such mask"):
        read_mask(tmp_path / "gone.png")


def test_a_mask_cut_short_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 2, (200, 300), np.uint8) * 255
    path = write_labels(tmp_path / "mask.png", noise)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"mask\.png: not a readable mask"):
        read_mask(path)
