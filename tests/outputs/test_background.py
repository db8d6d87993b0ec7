"""What stands behind the object, and at what time."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_videos import gray_frames, level, write_video
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.outputs.background import cover, open_background


@pytest.mark.parametrize(
    ("text", "color"), [("#203040", (32, 48, 64)), ("Red", (255, 0, 0)), ("#fff", (255,) * 3)]
)
def test_colours(text: str, color: tuple[int, int, int]) -> None:
    with open_background(text, 4, 6) as background:
        picture = background.at(Fraction(0))
    assert picture.shape == (4, 6, 3) and (picture == color).all()


def test_images_cover_the_frame_and_are_cropped_evenly(tmp_path: Path) -> None:
    image = np.zeros((20, 60, 3), np.uint8)
    image[:, 20:40] = 250
    Image.fromarray(image).save(tmp_path / "b.png")
    with open_background(str(tmp_path / "b.png"), 40, 40) as background:
        assert (background.at(Fraction(9))[:, 1:-1] == 250).all()


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7), (48, 64)])
def test_cover_gives_any_size(size: tuple[int, int]) -> None:
    assert cover(np.full((48, 64, 3), 9, np.uint8), *size).shape == (*size, 3)


def test_videos_show_the_frame_of_the_time_and_begin_again(tmp_path: Path) -> None:
    path = write_video(tmp_path / "b.mp4", gray_frames(5), rate=Fraction(10))
    seen = []
    with open_background(str(path), 24, 32) as background:
        for tenths in (0, 1, 1.9, 2, 4, 4.9, 5, 7, 11, 28):
            picture = background.at(Fraction(int(tenths * 10), 100))
            assert picture.shape == (24, 32, 3)
            seen.append(float(np.median(picture)))
    expected = [level(i) for i in (0, 1, 1, 2, 4, 4, 0, 2, 1, 3)]
    assert seen == pytest.approx(expected, abs=1.5)


def test_a_video_of_one_frame_stands_still(tmp_path: Path) -> None:
    path = write_video(tmp_path / "b.mp4", gray_frames(1))
    with open_background(str(path), 48, 64) as background:
        for seconds in (0, 1, 60):
            assert np.median(background.at(Fraction(seconds))) == pytest.approx(level(0), abs=1.5)


def test_what_is_no_background(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty").mkdir()
    for text in (str(tmp_path / "text.jpg"), str(tmp_path / "empty"), "blurple"):
        with pytest.raises(InputError), open_background(text, 4, 4):
            pass


def test_images_lie_upright(tmp_path: Path) -> None:
    image = Image.fromarray(cv2.merge([np.tile(np.uint8([0, 255]), (2, 1))] * 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "b.png", exif=exif)
    with open_background(str(tmp_path / "b.png"), 2, 2) as background:
        picture = background.at(Fraction(0))[..., 0]
    assert picture.tolist() == [[0, 0], [255, 255]]
