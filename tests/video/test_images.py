import cv2
import numpy as np
import pytest
from made_trees import write_frame
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.video.images import read_image


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
    frame = read_image(write_frame(tmp_path / "frame.jpg", size), edge)
    assert frame.shape == (*decoded, 3)


def test_a_frame_is_rgb_and_a_reduced_one_its_average(tmp_path):
    ramp = np.zeros((64, 64, 3), np.uint8)
    ramp[..., 0], ramp[..., 2] = np.arange(64) * 4, 40
    Image.fromarray(ramp).save(tmp_path / "ramp.jpg", quality=100, subsampling=0)
    frame = read_image(tmp_path / "ramp.jpg", 32)
    expected = ramp.reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert abs(frame - expected).max() < 4


def test_a_reduced_jpeg_is_what_opencv_decodes(tmp_path):
    """Both leave the reduction to a libjpeg; with those of their wheels, the same to the bit."""
    rng = np.random.default_rng(0)
    coarse = cv2.resize(rng.integers(0, 256, (12, 20, 3), np.uint8), (427, 240))
    path = tmp_path / "frame.jpg"
    Image.fromarray(coarse).save(path, quality=90)
    for edge, how in (
        (None, cv2.IMREAD_COLOR_RGB),
        (100, cv2.IMREAD_REDUCED_GRAYSCALE_2 | cv2.IMREAD_COLOR_RGB),
        (40, cv2.IMREAD_REDUCED_GRAYSCALE_4 | cv2.IMREAD_COLOR_RGB),
    ):
        difference = read_image(path, edge).astype(int) - cv2.imread(str(path), how)
        assert abs(difference).max() <= 2


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_frame_cut_short_is_refused_in_one_line(tmp_path, suffix):
    path = write_frame(tmp_path / f"frame.{suffix}", (200, 300))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    for edge in (None, 50):
        with pytest.raises(
            InputError, match=rf"frame\.{suffix} cannot be read .*: replace"
        ) as caught:
            read_image(path, edge)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\xff\xd8\xff\xda\xff\xd9"])
def test_what_is_no_image_is_refused(tmp_path, content):
    for name in ("x.jpg", "x.png"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="cannot be read as an image"):
            read_image(tmp_path / name, 10)


def test_missing_images_are_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.jpg does not exist"):
        read_image(tmp_path / "gone.jpg")
