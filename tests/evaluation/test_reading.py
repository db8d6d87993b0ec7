from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.evaluation.reading import MapFile, ObjectFile, TruthFile, read_values

MASK = np.zeros((6, 9), bool)
MASK[2:4, 3:7] = True
RED = [0, 0, 0, *(level for index in range(1, 256) for level in (128, index, 0))]
GRAYS = [value for gray in (0, 255, 90) for value in [gray] * 3]


def save(path: Path, values: np.ndarray, mode: str | None = None, palette=None) -> Path:
    image = Image.fromarray(values, mode)
    if palette:
        image.putpalette(palette)
    image.save(path)
    return path


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("palette.png", lambda p: save(p, MASK.astype(np.uint8), "P", RED)),
        ("bits.png", lambda p: save(p, MASK)),
    ],
)
def test_palettes_and_bits_are_labels(tmp_path, name, make):
    values = read_values(make(tmp_path / name))
    assert values.dtype == np.bool_ and (values == MASK).all()


def test_gray_is_a_map_of_8_or_16_bits_or_floats(tmp_path):
    gray = np.arange(54, dtype=np.uint8).reshape(6, 9) * 4
    for name in ("gray.png", "gray.pgm", "gray.bmp", "gray.tif"):
        assert (read_values(save(tmp_path / name, gray)) == gray).all()
    deep = gray.astype(np.uint16) * 257
    values = read_values(save(tmp_path / "deep.png", deep))
    assert values.dtype == np.uint16 and (values == deep).all()
    for array in (gray / np.float32(255), gray / 255, MASK, deep):
        np.save(tmp_path / "map.npy", array)
        values = read_values(tmp_path / "map.npy")
        assert values.dtype == array.dtype and (values == array).all()


def test_alpha_is_dropped_and_gray_in_colours_is_gray(tmp_path):
    gray = np.arange(54, dtype=np.uint8).reshape(6, 9)
    alpha = np.full_like(gray, 7)
    for values in (
        np.dstack([gray, alpha]),
        np.dstack([gray] * 3),
        np.dstack([gray] * 3 + [alpha]),
    ):
        assert (read_values(save(tmp_path / "map.png", values)) == gray).all()


def test_a_palette_of_grays_is_a_gray_image(tmp_path):
    indices = np.array([[0, 1, 2]], np.uint8)
    values = read_values(save(tmp_path / "map.png", indices, "P", GRAYS))
    assert values.tolist() == [[0, 255, 90]]
    gray = np.array([[0, 13, 200]], np.uint8)  # as Image.convert("P") makes it
    Image.fromarray(gray).convert("P").save(tmp_path / "map.png")
    assert (read_values(tmp_path / "map.png") == gray).all()


def test_read_as_labels_takes_all_but_0_for_object(tmp_path):
    path = save(tmp_path / "mask.png", MASK.astype(np.uint8))
    assert (MapFile(path, "labels").read() == MASK).all()
    assert MapFile(path, "probabilities").read().max() == 1


INSIDE, OUTSIDE = np.uint8(255), np.uint8(0)
BINARY = np.where(MASK, INSIDE, OUTSIDE)
SEVERAL = np.where(MASK, np.arange(9, dtype=np.uint8) * 20 + 1, OUTSIDE)


@pytest.mark.parametrize(
    ("name", "values", "palette"),
    [
        ("palette.png", np.where(MASK, np.uint8(2), OUTSIDE), RED),
        ("gray.png", BINARY, None),
        ("alpha.png", np.dstack([BINARY, np.full_like(BINARY, 255)]), None),
        ("ones.png", MASK.astype(np.uint8), None),
        ("objects.pgm", SEVERAL, None),
        ("black.ppm", np.dstack([SEVERAL] * 3), None),
        ("white.ppm", np.dstack([np.where(MASK, np.uint8(90), INSIDE)] * 3), None),
    ],
)
def test_ground_truth_of_every_kind(tmp_path, name, values, palette):
    truth = TruthFile(save(tmp_path / name, values, palette and "P", palette)).read()
    assert truth.dtype == np.bool_ and (truth == MASK).all()


def test_ground_truth_in_jpeg_is_cut_at_one_half(tmp_path):
    large = BINARY.repeat(8, 0).repeat(8, 1)
    assert (TruthFile(save(tmp_path / "mask.jpg", large)).read() == (large > 0)).all()


def test_ppm_with_black_and_white_is_in_doubt(tmp_path):
    path = save(tmp_path / "x.ppm", np.dstack([MASK * np.uint8(255)] * 3))
    with pytest.raises(InputError, match="both black and white"):
        TruthFile(path).read()


def test_ground_truth_above_half(tmp_path):
    gray = np.array([[0, 127, 128, 129, 255]], np.uint8)
    expected = [[False, False, False, True, True]]
    assert TruthFile(save(tmp_path / "8.png", gray), above_half=True).read().tolist() == expected
    deep = gray.astype(np.uint16) * 257
    assert TruthFile(save(tmp_path / "16.png", deep), above_half=True).read().tolist() == expected
    palette = save(tmp_path / "p.png", MASK.astype(np.uint8), "P", RED)
    assert (TruthFile(palette, above_half=True).read() == MASK).all()
    with pytest.raises(InputError, match=r"values up to 1, .* above 128"):
        TruthFile(save(tmp_path / "1.png", MASK.astype(np.uint8)), above_half=True).read()


def test_objects_keep_their_numbers(tmp_path):
    labels = np.array([[0, 1, 2], [20, 255, 0]], np.uint8)
    assert (ObjectFile(save(tmp_path / "p.png", labels, "P", RED)).read() == labels).all()
    assert (ObjectFile(save(tmp_path / "l.png", labels)).read() == labels).all()


HEADER = b"\x93NUMPY\x01\x00\x50\x00{'descr': '<f4', 'fortran_order': False, 'shape': %-28s\n"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.png", b"not an image", "not a readable image"),
        ("empty.png", b"", "not a readable image"),
        ("text.npy", b"not an array", "not an array"),
        ("empty.npy", b"", "not an array"),
        ("brackets.npy", b"\x93NUMPY\x01\x00v\x00" + b"[" * 118, "not an array"),
        ("more.npy", HEADER % b"(99999, 99999999), }", "not an array"),
        ("absent.png", None, "no such file"),
        ("absent.npy", None, "no such file"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: .*{words}"):
        read_values(tmp_path / name)


def test_truncated_pickled_and_coloured_files(tmp_path):
    path = save(tmp_path / "cut.png", np.random.default_rng(0).integers(0, 255, (99, 99), np.uint8))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"cut\.png"):
        read_values(path)
    np.save(tmp_path / "words.npy", np.array([["a"]]))
    with pytest.raises(InputError, match="of <U1, expected numbers"):
        read_values(tmp_path / "words.npy")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(InputError, match="not an array of numbers"):
        read_values(tmp_path / "objects.npy")
    np.savez(tmp_path / "many.npz", a=MASK)
    (tmp_path / "many.npz").rename(tmp_path / "many.npy")
    with pytest.raises(InputError, match="several arrays"):
        read_values(tmp_path / "many.npy")
    colours = np.zeros((4, 4, 3), np.uint8)
    colours[0, 0] = 1, 2, 3
    with pytest.raises(InputError, match="a colour image"):
        read_values(save(tmp_path / "colours.png", colours))
    deep = np.array([[1 << 20]], np.int32)
    with pytest.raises(InputError, match="32 bits"):
        read_values(save(tmp_path / "deep.tif", deep))
