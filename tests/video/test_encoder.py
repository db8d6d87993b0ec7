"""Colours and sizes of what is encoded."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import gray_frames, quadrants, read_all, write_video

from threedcseg.video.encoder import H264, MP4, PRORES_4444, VP9_ALPHA, VideoFormat
from threedcseg.video.reader import open_video
from threedcseg.video.writer import VideoWriter

BT709, BT601, SMPTE170M, BT2020 = 1, 5, 6, 9
LIMITED, FULL = 1, 2


def copy(source: Path, target: Path, format: VideoFormat = H264) -> Path:
    with open_video(source) as video, VideoWriter(target, video, format) as writer:
        for frame in video:
            image = frame.image
            if format.alpha:
                image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
            writer.write(image, frame.time)
    return target


def tags(path: Path) -> tuple[int, int]:
    """Matrix and range as the decoder tells them."""
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
        return int(frame.colorspace), int(frame.color_range)


@pytest.mark.parametrize("format", [H264, PRORES_4444, VP9_ALPHA], ids=lambda f: f.codec)
@pytest.mark.parametrize("matrix", [BT709, BT601, SMPTE170M, BT2020])
@pytest.mark.parametrize("scale", [LIMITED, FULL])
def test_matrix_and_range_are_kept_and_so_are_the_colours(
    tmp_path: Path, format: VideoFormat, matrix: int, scale: int
) -> None:
    image = quadrants(96, 128)
    source = write_video(
        tmp_path / "in.mp4", [image] * 3, options={"crf": "8"}, color=(matrix, scale, 1, 1)
    )
    assert tags(source) == (matrix, scale)
    target = copy(source, tmp_path / f"out{format.suffix}", format)
    # BT.601 has two numbers in H.273, of which VP9 and ProRes keep one; ProRes is never full-range.
    numbers = {BT601, SMPTE170M} if matrix in (BT601, SMPTE170M) else {matrix}
    got_matrix, got_range = tags(target)
    assert got_matrix in (numbers if format is not H264 else {matrix})
    assert got_range == (scale if format.full_range else LIMITED)
    before, after = read_all(source)[1].image, read_all(target)[1].image
    for y, x in ((24, 32), (24, 96), (72, 32), (72, 96)):
        assert np.abs(after[y, x].astype(int) - before[y, x]).max() <= 4


def test_unmarked_files_keep_the_matrix_that_players_assume(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", [quadrants(96, 128)] * 2)
    target = copy(source, tmp_path / "out.mp4")
    assert tags(target) == (BT601, LIMITED)


@pytest.mark.parametrize("crf", ["18", "34", "48"])
def test_the_file_stays_below_three_times_its_source(tmp_path: Path, crf: str) -> None:
    """However hard the source is compressed."""
    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 256, (18, 24, 3), np.uint8) for _ in range(3)]
    frames = []
    for i in range(72):  # moving texture, a new scene every second
        scene = np.kron(coarse[i // 24], np.ones((12, 12, 1), np.uint8))
        frames.append(np.roll(scene, 3 * i, axis=1))
    options = {"crf": crf, "preset": "medium"}
    source = write_video(tmp_path / "in.mp4", frames, options=options)
    # What is drawn on it makes it no smaller: noise is the worst case.
    with open_video(source) as video, VideoWriter(tmp_path / "out.mp4", video) as writer:
        for frame in video:
            noise = rng.integers(-12, 13, frame.image.shape)
            writer.write((frame.image + noise).clip(0, 255).astype(np.uint8), frame.time)
    assert (tmp_path / "out.mp4").stat().st_size <= 3 * source.stat().st_size
    assert len(read_all(tmp_path / "out.mp4")) == 72


def test_a_rate_without_a_number_of_frames_is_not_capped(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mkv", gray_frames(5), rate=Fraction(5))
    with open_video(source) as video:
        video.num_frames = None
        with VideoWriter(tmp_path / "out.mp4", video) as writer:
            for frame in video:
                writer.write(frame.image, frame.time)
    assert len(read_all(tmp_path / "out.mp4")) == 5


def all_tags(stream: object) -> tuple[int, ...]:
    names = ("color_primaries", "color_trc", "colorspace", "color_range")
    return tuple(int(getattr(stream, name)) for name in names)


@pytest.mark.parametrize("format", [H264, MP4, PRORES_4444], ids=["h264", "mp4", "prores"])
@pytest.mark.parametrize("deep", [False, True])
def test_tags_in_the_bitstream_are_those_of_the_container(
    tmp_path: Path, format: VideoFormat, deep: bool
) -> None:
    hlg = (BT2020, LIMITED, 9, 18)
    pixels = "yuv420p10le" if deep else "yuv420p"
    images = [quadrants(96, 128)] * 2
    source = write_video(tmp_path / "in.mp4", images, pix_fmt=pixels, color=hlg)
    target = copy(source, tmp_path / f"out{format.suffix}", format)
    with av.open(str(target)) as file:
        stream = file.streams.video[0]
        in_container = all_tags(stream.codec_context)
        packet = next(file.demux(stream))
    with av.open(str(target)) as file:
        frame = next(file.decode(video=0))
    assert in_container == (9, 18, BT2020, LIMITED)
    assert all_tags(frame) == in_container
    if format is PRORES_4444:  # whose decoder may believe the container: its frame header itself
        assert bytes(packet)[4:8] == b"icpf"
        assert tuple(bytes(packet)[22:25]) == in_container[:3]


def ramp() -> np.ndarray:
    """``(64, 1024)``: gray from 0 to 1023."""
    return np.tile(np.arange(1024, dtype=np.uint16), (64, 1))


@pytest.mark.parametrize("format", [MP4, PRORES_4444], ids=["mp4", "prores"])
def test_ten_bits_stay_ten_bits(tmp_path: Path, format: VideoFormat) -> None:
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as file:
        stream = file.add_stream("ffv1", rate=24, width=1024, height=64)
        stream.pix_fmt = "gray10le"
        for _ in range(2):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(ramp(), "gray10le")))
        file.mux(stream.encode(None))
    target = tmp_path / f"out{format.suffix}"
    video = open_video(source)
    video.num_bytes = None  # or the rate is capped, and the ramp smoothed
    with video, VideoWriter(target, video, format) as writer:
        assert video.depth == 10
        for frame in video:
            assert frame.deep is not None
            image = frame.deep()
            assert image.dtype == np.uint16
            assert np.abs(image[..., 0] / 65535 * 1023 - ramp()).max() < 1  # it shifts
            if format.alpha:
                image = np.dstack([image, np.full(image.shape[:2], 65535, np.uint16)])
            writer.write(image, frame.time)
    with open_video(target) as video:
        assert video.depth >= 10
        got = next(iter(video)).deep
        assert got is not None
        levels = got()[..., 1]
    assert len(np.unique(levels)) > 500, "256 of them would be 8 bits"
    assert np.abs(levels / 65535 * 1023 - ramp()).mean() < 3


def test_eight_bits_stay_what_every_player_opens(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", gray_frames(2))
    with av.open(str(copy(source, tmp_path / "out.mp4", MP4))) as file:
        assert file.streams.video[0].codec_context.name == "h264"


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 2), (17, 33), (63, 300), (65, 65)])
def test_ten_bits_of_any_size(tmp_path: Path, height: int, width: int) -> None:
    images = gray_frames(3, height, width)
    source = write_video(tmp_path / "in.mkv", images, codec="ffv1", pix_fmt="yuv444p10le")
    out = copy(source, tmp_path / "out.mp4", MP4)
    assert len(read_all(out)) == 3
    if "libx265" in av.codecs_available:  # which writes beyond its memory below 64
        with av.open(str(out)) as file:
            deep = file.streams.video[0].codec_context.name == "hevc"
            assert deep == (min(height, width) >= 64)
