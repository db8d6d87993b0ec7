from pathlib import Path

import numpy as np
import pytest
from made_trees import box, write_frame, write_labels
from PIL import Image

from threedcseg.datasets.sequence import (
    VOID,
    LabelFile,
    is_reduced,
    list_frames,
    pair,
    read_frame,
    read_labels,
    read_mask,
)
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


@pytest.mark.parametrize(
    ("size", "edge", "decoded"),
    [
        ((480, 854), None, (480, 854)),
        ((480, 854), 300, (480, 854)),
        ((480, 854), 240, (240, 427)),
        ((480, 854), 128, (240, 427)),
        ((481, 854), 120, (121, 214)),
        ((1080, 1920), 240, (270, 480)),
        ((1080, 1920), 128, (135, 240)),
    ],
)
def test_jpegs_are_decoded_at_the_smallest_size_that_is_large_enough(tmp_path, size, edge, decoded):
    frame = read_frame(write_frame(tmp_path / "frame.jpg", size), edge)
    assert frame.shape == (*decoded, 3)
    assert is_reduced(frame.shape, size)


def test_a_frame_is_rgb_and_a_reduced_one_its_average(tmp_path):
    ramp = np.zeros((64, 64, 3), np.uint8)
    ramp[..., 0], ramp[..., 2] = np.arange(64) * 4, 40
    Image.fromarray(ramp).save(tmp_path / "ramp.jpg", quality=100, subsampling=0)
    frame = read_frame(tmp_path / "ramp.jpg", 32)
    expected = ramp.reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert abs(frame - expected).max() < 4


def test_sizes_that_no_reduction_explains(tmp_path):
    assert not is_reduced((240, 427), (480, 800))
    assert not is_reduced((240, 427), (240, 428))
    assert not is_reduced((480, 854), (240, 427))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_frame_cut_short_is_refused_in_one_line(tmp_path, suffix):
    path = write_frame(tmp_path / f"frame.{suffix}", (200, 300))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    for edge in (None, 50):
        with pytest.raises(InputError, match=rf"frame\.{suffix}: .*; replace") as caught:
            read_frame(path, edge)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\xff\xd8\xff\xda\xff\xd9"])
def test_what_is_no_image_is_refused(tmp_path, content):
    for name in ("x.jpg", "x.png"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="not a readable image"):
            read_frame(tmp_path / name, 10)
        with pytest.raises(InputError, match="not a readable mask"):
            read_mask(tmp_path / name)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.jpg: No such file"):
        read_frame(tmp_path / "gone.jpg")
    with pytest.raises(InputError, match=r"gone\.png: no such mask"):
        read_mask(tmp_path / "gone.png")


def test_a_mask_cut_short_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 2, (200, 300), np.uint8) * 255
    path = write_labels(tmp_path / "mask.png", noise)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"mask\.png: not a readable mask"):
        read_mask(path)


def test_frames_are_listed_in_natural_order_without_hidden_files_and_twins(tmp_path):
    for name in ("10.jpg", "9.jpg", "9.ppm", "100.png", "._9.jpg", "notes.txt"):
        write_frame(tmp_path / name) if name[-3:] != "txt" else (tmp_path / name).write_text("")
    assert [path.name for path in list_frames(tmp_path)] == ["9.jpg", "10.jpg", "100.png"]
    assert list_frames(tmp_path / "absent") == []


def test_pairing_finds_each_mask_and_the_strays():
    frames = [Path("a.jpg"), Path("b.jpg")]
    masks = {"b": Path("b.png"), "c": Path("c.png")}
    sequence = pair("x", frames, masks, lambda path: path.stem)
    assert sequence.masks == (None, Path("b.png"))
    assert sequence.strays == (Path("c.png"),)
