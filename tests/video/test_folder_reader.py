"""Folders of images as videos."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from made_videos import gray_frames, quadrants, read_all, write_video
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.video.images import read_image
from threedcseg.video.reader import open_video


def save(path: Path, image: np.ndarray, mode: str = "RGB", **settings: object) -> Path:
    Image.fromarray(image).convert(mode).save(path, **settings)
    return path


def error_of(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_all(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_natural_order_names_and_times(tmp_path: Path) -> None:
    images = gray_frames(12)
    for i, image in enumerate(images):
        save(tmp_path / f"shot{i}.png", image)
    (tmp_path / "sub").mkdir()
    save(tmp_path / "sub" / "shot99.png", images[0])
    save(tmp_path / "._shot0.png", images[0])  # as macOS leaves them; not an image in truth
    (tmp_path / "notes.txt").write_text("ignored")
    with open_video(tmp_path) as video:
        assert (video.height, video.width, video.num_frames) == (48, 64, 12)
        assert video.rate == 24 and video.path == tmp_path
        frames = list(video)
        assert len(list(video)) == 12
    assert [frame.name for frame in frames] == [f"shot{i}" for i in range(12)]
    assert [frame.time for frame in frames] == [Fraction(i, 24) for i in range(12)]
    for frame, image in zip(frames, images, strict=True):
        assert frame.index == int(frame.name[4:])
        assert (frame.image == image).all()
        assert frame.image.flags.writeable and frame.image.flags.c_contiguous


def test_rate_may_be_given(tmp_path: Path) -> None:
    for i, image in enumerate(gray_frames(2)):
        save(tmp_path / f"{i}.png", image)
    with open_video(tmp_path, folder_rate=Fraction(30000, 1001)) as video:
        assert [frame.time for frame in video] == [0, Fraction(1001, 30000)]


@pytest.mark.parametrize("extension", ["jpg", "JPEG", "png", "bmp", "tif", "webp", "ppm"])
def test_image_types(tmp_path: Path, extension: str) -> None:
    save(tmp_path / f"0.{extension}", quadrants(48, 64))
    (frame,) = read_all(tmp_path)
    assert np.abs(frame.image.astype(int) - quadrants(48, 64)).mean() < 5


@pytest.mark.parametrize(
    ("mode", "name"),
    [("P", "a.png"), ("RGBA", "a.png"), ("CMYK", "a.jpg"), ("CMYK", "a.tif"), ("YCbCr", "a.jpg")],
)
def test_colour_modes_give_rgb(tmp_path: Path, mode: str, name: str) -> None:
    image = quadrants(48, 64)
    got = read_image(save(tmp_path / name, image, mode))
    assert got.shape == (48, 64, 3) and got.dtype == np.uint8
    assert np.abs(got[4:20, 4:28].astype(int) - image[4:20, 4:28]).max() <= 30  # web palette


@pytest.mark.parametrize(("mode", "name"), [("L", "a.pgm"), ("LA", "a.png"), ("1", "a.pbm")])
def test_gray_modes_give_rgb(tmp_path: Path, mode: str, name: str) -> None:
    image = np.zeros((48, 64), np.uint8)
    image[:, 32:] = 255
    got = read_image(save(tmp_path / name, image, mode))
    assert (got == np.repeat(image[..., None], 3, axis=2)).all()


def test_alpha_is_dropped_over_the_plain_colour(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., 1] = 200
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    assert (read_image(tmp_path / "clear.png") == (0, 200, 0)).all()


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_16_bit_gray_is_scaled(tmp_path: Path, name: str) -> None:
    values = np.array([[0, 128, 129, 257, 32896, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / name)
    assert read_image(tmp_path / name)[0, :, 1].tolist() == [0, 0, 1, 1, 128, 255]


def test_16_bit_colour_is_scaled(tmp_path: Path) -> None:
    import cv2

    values = np.zeros((4, 4, 3), np.uint16)
    values[..., 0] = 65535  # blue, as OpenCV orders
    cv2.imwrite(str(tmp_path / "deep.png"), values)
    assert (read_image(tmp_path / "deep.png") == (0, 0, 255)).all()


def test_32_bits_a_channel_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(InputError, match=r"f\.tif has 32 bits a channel"):
        read_image(tmp_path / "f.tif")


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_honoured(tmp_path: Path, orientation: int, turns: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / "0.jpg", quadrants(48, 64), exif=exif, quality=95)
    upright = np.rot90(quadrants(48, 64), turns)
    with open_video(tmp_path) as video:
        assert (video.height, video.width) == upright.shape[:2]
        (frame,) = list(video)
    assert np.abs(frame.image.astype(int) - upright).mean() < 5


def test_size_change_names_both(tmp_path: Path) -> None:
    save(tmp_path / "0.png", quadrants(48, 64))
    save(tmp_path / "1.png", quadrants(48, 66))
    message = error_of(tmp_path)
    assert f"{tmp_path / '1.png'} is 66x48, but 0.png is 64x48" in message


@pytest.mark.parametrize("name", ["5.jpg", "5.png", "5.tif", "5.webp", "5.bmp", "5.ppm"])
def test_damaged_image_is_named(tmp_path: Path, name: str) -> None:
    """After the good ones; Pillow tells, where OpenCV would give half an image."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for i in range(5):
        save(tmp_path / f"{i}.png", noise)
    data = save(tmp_path / name, noise).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    count = 0
    with pytest.raises(InputError, match="cannot be read as an image") as caught:
        for _ in open_video(tmp_path):
            count += 1
    assert count == 5 and name in str(caught.value) and "\n" not in str(caught.value)


def test_text_under_an_image_name(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_text("no image")
    assert "0.png cannot be read as an image (not an image)" in error_of(tmp_path)


def test_empty_folder_and_folder_of_videos(tmp_path: Path) -> None:
    assert "holds no images" in error_of(tmp_path)
    write_video(tmp_path / "a.mp4", gray_frames(2))
    assert "holds videos, not frames" in error_of(tmp_path)


def test_two_images_of_one_name(tmp_path: Path) -> None:
    save(tmp_path / "0.png", quadrants(48, 64))
    save(tmp_path / "0.jpg", quadrants(48, 64))
    assert "holds both 0.jpg and 0.png" in error_of(tmp_path)


def test_one_pixel_frames(tmp_path: Path) -> None:
    for i in range(2):
        save(tmp_path / f"{i}.png", np.full((1, 1, 3), 7 * i, np.uint8))
    assert [int(frame.image.max()) for frame in read_all(tmp_path)] == [0, 7]


def test_what_is_passed_over_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        Image.fromarray(gray_frames(1)[0]).save(tmp_path / f"{number}.png")
    os.mkfifo(tmp_path / "3.png")
    (tmp_path / "4.png").mkdir()
    (tmp_path / "5.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "more").mkdir()  # deeper folders are not meant
    with open_video(tmp_path) as video:
        assert [frame.name for frame in video] == ["0", "1", "2"]
    (line,) = caplog.messages
    assert line == f"{tmp_path}: left out, being no images: 3 files (3.png, 4.png, 5.png)"
