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

FRAME = np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6), np.uint8)


@pytest.mark.parametrize(
    ("text", "color"), [("#203040", (32, 48, 64)), ("Red", (255, 0, 0)), ("#fff", (255,) * 3)]
)
def test_colours(text: str, color: tuple[int, int, int]) -> None:
    with open_background(text, 4, 6) as background:
        picture = background.behind(*FRAME, Fraction(0))
    assert picture.shape == (4, 6, 3) and (picture == color).all()


def test_images_cover_the_frame_and_are_cropped_evenly(tmp_path: Path) -> None:
    image = np.zeros((20, 60, 3), np.uint8)
    image[:, 20:40] = 250
    Image.fromarray(image).save(tmp_path / "b.png")
    with open_background(str(tmp_path / "b.png"), 40, 40) as background:
        assert (background.behind(*FRAME, Fraction(9))[:, 1:-1] == 250).all()


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7), (48, 64)])
def test_cover_gives_any_size(size: tuple[int, int]) -> None:
    assert cover(np.full((48, 64, 3), 9, np.uint8), *size).shape == (*size, 3)


def test_videos_show_the_frame_of_the_time_and_begin_again(tmp_path: Path) -> None:
    path = write_video(tmp_path / "b.mp4", gray_frames(5), rate=Fraction(10))
    seen = []
    with open_background(str(path), 24, 32) as background:
        for tenths in (0, 1, 1.9, 2, 4, 4.9, 5, 7, 11, 28):
            picture = background.behind(*FRAME, Fraction(int(tenths * 10), 100))
            assert picture.shape == (24, 32, 3)
            seen.append(float(np.median(picture)))
    expected = [level(i) for i in (0, 1, 1, 2, 4, 4, 0, 2, 1, 3)]
    assert seen == pytest.approx(expected, abs=1.5)


def test_a_video_of_one_frame_stands_still(tmp_path: Path) -> None:
    path = write_video(tmp_path / "b.mp4", gray_frames(1))
    with open_background(str(path), 48, 64) as background:
        for seconds in (0, 1, 60):
            assert np.median(background.behind(*FRAME, Fraction(seconds))) == pytest.approx(
                level(0), abs=1.5
            )


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
        picture = background.behind(*FRAME, Fraction(0))[..., 0]
    assert picture.tolist() == [[0, 0], [255, 255]]


def on_a_gradient() -> tuple[np.ndarray, np.ndarray]:
    """A bright red square on a blue that brightens to the right, and the alpha of the square."""
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[..., 2] = np.linspace(60, 120, 320)
    alpha = np.zeros((240, 320), np.uint8)
    alpha[80:160, 100:220] = 255
    picture[alpha > 0] = 255, 0, 0
    return picture, alpha


def test_what_is_blurred_is_the_surroundings_alone() -> None:
    picture, alpha = on_a_gradient()
    noisy = picture + np.random.default_rng(0).integers(0, 60, picture.shape).astype(np.uint8)
    with open_background("blur", 240, 320) as background:
        clean = background.behind(picture, alpha, Fraction(0))
        smooth = background.behind(np.where(alpha[..., None], picture, noisy), alpha, Fraction(0))
        deep = background.behind(picture.astype(np.uint16) * 257, alpha, Fraction(0))
    seen = alpha == 0
    assert clean[seen][:, 0].max() <= 1, "red of the object shines around it"
    assert np.abs(clean[seen][:, 2] - picture[seen][:, 2].astype(float)).max() < 12
    assert smooth[seen][:, 1].std() < noisy[seen][:, 1].std() / 8
    assert deep.dtype == np.uint16 and np.abs(deep / 257 - clean).max() <= 2


def test_a_frame_full_of_object_is_blurred_as_well() -> None:
    picture = np.full((48, 64, 3), 90, np.uint8)
    with open_background("blur", 48, 64) as background:
        assert (
            background.behind(picture, np.full((48, 64), 255, np.uint8), Fraction(0)) == 90
        ).all()


@pytest.mark.parametrize("most", [255, 65535])
def test_gray_is_the_frame_without_colours(most: int) -> None:
    picture = (np.eye(3) * most).astype(np.uint8 if most == 255 else np.uint16)[None]
    with open_background("gray", 1, 3) as background:
        (gray,) = background.behind(picture, np.zeros((1, 3), np.uint8), Fraction(0))
    assert gray.dtype == picture.dtype
    assert gray / most == pytest.approx(
        np.array([[0.299], [0.587], [0.114]]).repeat(3, 1), abs=0.003
    )
