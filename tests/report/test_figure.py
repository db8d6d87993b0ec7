"""Grids of overlays."""

import numpy as np
import pytest
from PIL import Image

from threedcseg.cli.main import main
from threedcseg.errors import InputError
from threedcseg.outputs.overlay import overlay
from threedcseg.report.figure import evenly_spaced, grid
from threedcseg.video.images import read_image


@pytest.fixture
def frames(material):
    return material.davis / "JPEGImages" / "480p"


def test_frames_are_evenly_spaced_from_the_first_to_the_last():
    assert evenly_spaced(9, 3) == [0, 4, 8]
    assert evenly_spaced(10, 10) == list(range(10))
    assert evenly_spaced(9, 1) == [4]


def test_cells_are_overlays_of_frames_and_masks(material, frames):
    rows = grid(frames, material.masks[0], count=4)
    assert [name for name, _ in rows] == ["left", "right"]
    mask = np.asarray(Image.open(material.masks[0] / "right" / "00003.png")) > 0
    image = read_image(frames / "right" / "00003.jpg")
    assert (rows[1][1][1] == overlay(image, mask)).all()


def test_one_sequence_lies_in_the_folders_themselves(material, frames):
    ((name, cells),) = grid(frames / "left", material.masks[0] / "left", count=2)
    assert name == "left" and len(cells) == 2


def test_sequences_are_chosen_and_ordered(material, frames):
    rows = grid(frames, material.masks[0], ["right", "left"], 1)
    assert [name for name, _ in rows] == ["right", "left"]


def test_png_and_pdf_are_written_and_the_same_each_time(material, frames, tmp_path):
    words = ["figure", str(frames), str(material.masks[0]), "--frames", "3"]
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        outputs = [str(tmp_path / folder / name) for name in ("f.png", "f.pdf")]
        assert main([*words, "-o", *outputs]) == 0
    for name in ("f.png", "f.pdf"):
        one, two = (tmp_path / folder / name for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    assert (tmp_path / "one" / "f.pdf").read_bytes().startswith(b"%PDF-")
    width, height = Image.open(tmp_path / "one" / "f.png").size
    assert width >= 3 * 80
    assert abs(width / height - 3 * 80 / (2 * 48)) < 0.2


def test_without_labels_pixels_are_those_of_the_overlays(material, frames, tmp_path):
    path = tmp_path / "f.png"
    words = [str(frames), str(material.masks[0]), "--frames", "1", "--sequences", "left"]
    assert main(["figure", *words, "-o", str(path), "--no-labels"]) == 0
    drawn = np.asarray(Image.open(path).convert("RGB"))
    ((_, (cell,)),) = grid(frames, material.masks[0], ["left"], 1)
    assert drawn.shape == cell.shape
    assert (drawn == cell).all()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-o", "f.jpg"], "f.jpg"),
        (["-o", "nowhere/f.png"], "nowhere"),
        (["-o", "f.png", "--frames", "11"], "10 frames"),
        (["-o", "f.png", "--frames", "0"], "0 frames"),
        (["-o", "f.png", "--sequences", "cat"], "cat"),
    ],
)
def test_what_cannot_be_drawn_is_told(material, frames, tmp_path, monkeypatch, capsys, words, told):
    monkeypatch.chdir(tmp_path)
    assert main(["figure", str(frames), str(material.masks[0]), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and told in error
    assert not list(tmp_path.iterdir())


def test_a_missing_mask_is_named(frames, tmp_path):
    (tmp_path / "left").mkdir()
    Image.new("L", (80, 48), 255).save(tmp_path / "left" / "00000.png")
    with pytest.raises(InputError, match="left/00009"):
        grid(frames, tmp_path, count=2)


def test_masks_of_another_size_are_refused(frames, tmp_path):
    (tmp_path / "left").mkdir()
    for number in range(10):
        Image.new("L", (40, 24), 255).save(tmp_path / "left" / f"{number:05d}.png")
    with pytest.raises(InputError, match="40x24"):
        grid(frames, tmp_path, count=2)
