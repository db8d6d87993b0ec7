"""What a file is follows from what is in it; nothing is skipped without a word."""

import logging
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import gray_frames, level, quadrants, read_all, write_video
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.video.images import read_image
from threedcseg.video.kinds import kind_of
from threedcseg.video.paths import expand_inputs
from threedcseg.video.reader import VideoReader, open_video


def write_image(path: Path, image: np.ndarray) -> Path:
    pixels = {".exr": ("exr", "gbrpf32le"), ".dpx": ("dpx", "gbrp10le")}.get(path.suffix)
    if pixels is None:
        kinds = {".jfif": "JPEG", ".avif": "AVIF"}
        Image.fromarray(image).save(path, format=kinds.get(path.suffix), quality=95)
        return path
    with av.open(str(path), "w", format="image2") as file:
        stream = file.add_stream(pixels[0], rate=1, width=image.shape[1], height=image.shape[0])
        stream.pix_fmt = pixels[1]
        if path.suffix == ".exr":  # linear light, as EXR is
            value = image.astype(np.float32) / 255
            linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
            frame = av.VideoFrame.from_ndarray(linear.astype(np.float32), "gbrpf32le")
        else:
            frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=pixels[1])
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


ENDINGS = [".jfif", ".avif", ".jp2", ".tga", ".exr", ".dpx", ".bmp", ".tiff", ".webp"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_frames_of_every_kind_are_read(tmp_path: Path, ending: str) -> None:
    for i in range(3):
        write_image(tmp_path / f"{i}{ending}", quadrants(48, 64))
    frames = read_all(tmp_path)
    assert [frame.name for frame in frames] == ["0", "1", "2"]
    inner = (slice(4, 20), slice(4, 28))
    got, expected = frames[0].image.astype(int), quadrants(48, 64)
    assert np.abs(got[inner] - expected[inner]).max() <= 8
    assert got.mean() == pytest.approx(expected.mean(), abs=3)


def test_what_a_folder_of_frames_leaves_out_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("0.png", "1.jfif", "2.odd"):
        Image.fromarray(gray_frames(1)[0]).save(tmp_path / name, format="PNG")
    (tmp_path / "notes.xyz").write_text("no image")
    with caplog.at_level(logging.WARNING):
        assert [frame.name for frame in read_all(tmp_path)] == ["0", "1", "2"]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == f"{tmp_path}: left out, being no images: 1 file (notes.xyz)"


def test_a_folder_of_videos_with_rare_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    black = [np.zeros((576, 720, 3), np.uint8)] * 3
    write_video(tmp_path / "a.dv", black, codec="dvvideo", rate=Fraction(25), format="dv")
    write_video(tmp_path / "b.m2t", gray_frames(3), format="mpegts")
    write_video(tmp_path / "c.f4v", gray_frames(3), format="mp4")
    write_video(tmp_path / "d", gray_frames(3), format="mp4")
    for i in range(7):
        (tmp_path / f"{i}.txt").write_text("Not a video.\n" * 50)
    with caplog.at_level(logging.WARNING):
        assert [path.name for path in expand_inputs([tmp_path])] == ["a.dv", "b.m2t", "c.f4v", "d"]
    assert "7 files (0.txt, 1.txt, 2.txt, 3.txt, 4.txt, ...)" in caplog.text


@pytest.mark.parametrize("ending", [".gif", ".png", ".apng", ".webp", ".avif"])
def test_animated_images_are_videos(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    images = [Image.fromarray(image) for image in gray_frames(6)]
    kind = {".apng": "PNG"}.get(ending)
    images[0].save(
        path, format=kind, save_all=True, append_images=images[1:], duration=40, quality=95
    )
    assert kind_of(path) == "video" and expand_inputs([path]) == [path]
    with open_video(path) as video:
        assert video.rate == 25 and video.num_frames in (6, None)
        frames = list(video)
    assert [float(frame.time) for frame in frames] == pytest.approx([i / 25 for i in range(6)])
    for frame in frames:
        assert frame.image.shape == (48, 64, 3)
        assert frame.image.mean() == pytest.approx(level(frame.index), abs=3)


def test_animated_webp_keeps_its_times_and_says_when_it_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    images = [Image.fromarray(image) for image in gray_frames(4)]
    times = [40, 200, 40, 40]
    images[0].save(path, save_all=True, append_images=images[1:], duration=times, lossless=True)
    assert [float(frame.time) for frame in read_all(path)] == [0, 0.04, 0.24, 0.28]
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="cannot be read as an animated image"):
        read_all(path)


@pytest.mark.parametrize("ending", [".jpg", ".avif", ".webp", ".png", ".odd"])
def test_a_still_picture_is_one_frame_whatever_its_container(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"photo{ending}"
    form = {".jpg": "JPEG", ".odd": "AVIF"}.get(ending)
    Image.fromarray(gray_frames(1)[0]).save(path, format=form)
    assert kind_of(path) == "image"
    assert expand_inputs([path]) == [path]
    (frame,) = read_all(path)
    assert (frame.index, frame.name, frame.time) == (0, "photo", 0)
    assert frame.image.shape == (48, 64, 3)
    with pytest.raises(InputError, match="is a picture, expected a video"):
        VideoReader(path)


def test_no_image_at_all_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.exr").write_bytes(b"nothing" * 100)
    with pytest.raises(InputError, match="cannot be read as an image"):
        read_image(tmp_path / "a.exr")
