"""Interlaced videos: whole pictures of the right moment, one for each frame."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import read_all

from threedcseg.video.encoder import H264, PRORES_4444, VideoFormat
from threedcseg.video.live import LiveSource
from threedcseg.video.reader import open_video
from threedcseg.video.writer import VideoWriter


def moment(number: int) -> np.ndarray:
    """A bright bar on gray, 4 pixels further at each moment; there are two in a frame."""
    image = np.full((96, 160, 3), 60, np.uint8)
    image[:, 10 + 4 * number : 50 + 4 * number] = 200
    return image


def woven(first: int, second: int) -> np.ndarray:
    image = moment(first)
    image[1::2] = moment(second)[1::2]
    return image


def write_interlaced(path: Path, codec: str, first_field: str, options: dict[str, str]) -> Path:
    """Eight frames of two moments each, marked as interlaced."""
    with av.open(str(path), "w") as file:
        video = file.add_stream(codec, rate=25, width=160, height=96, options=options)
        video.pix_fmt = "yuv422p10le" if path.suffix == ".mov" else "yuv420p"
        video.codec_context.field_order = 2 if first_field == "tff" else 3
        if codec == "mpeg2video":
            video.bit_rate = 8_000_000
        graph = av.filter.Graph()
        buffer = graph.add_buffer(
            width=160, height=96, format=av.VideoFormat(video.pix_fmt), time_base=Fraction(1, 25)
        )
        mark = graph.add("setfield", first_field)
        graph.link_nodes(buffer, mark, graph.add("buffersink")).configure()
        for i in range(8):
            order = (2 * i, 2 * i + 1) if first_field == "tff" else (2 * i + 1, 2 * i)
            frame = av.VideoFrame.from_ndarray(woven(*order), format="rgb24")
            frame = frame.reformat(format=video.pix_fmt)
            frame.pts, frame.time_base = i, Fraction(1, 25)
            graph.vpush(frame)
            file.mux(video.encode(graph.vpull()))
        file.mux(video.encode(None))
    return path


INTERLACED = [
    ("a.mp4", "libx264", "tff", {"flags": "+ildct", "x264-params": "tff=1", "crf": "10"}),
    ("a.mp4", "libx264", "bff", {"flags": "+ildct", "x264-params": "bff=1", "crf": "10"}),
    ("a.mpg", "mpeg2video", "tff", {"flags": "+ildct+ilme"}),
    ("a.mov", "prores_ks", "tff", {"flags": "+ildct"}),
    ("a.mov", "v210", "tff", {}),  # of which only the container says it
]


def error_to(image: np.ndarray, number: int) -> float:
    return float(np.abs(image.astype(int) - moment(number)).mean())


@pytest.mark.parametrize(("name", "codec", "first_field", "options"), INTERLACED)
def test_a_picture_is_of_one_moment(
    tmp_path: Path, name: str, codec: str, first_field: str, options: dict[str, str]
) -> None:
    path = write_interlaced(tmp_path / name, codec, first_field, options)
    frames = read_all(path)
    with open_video(path, deinterlace=False) as video:
        combed = list(video)
    assert [frame.time for frame in frames] == [frame.time for frame in combed]
    assert [frame.index for frame in frames] == list(range(8))
    for frame, comb in list(zip(frames, combed, strict=True))[1:-1]:  # at the ends one side lacks
        first = 2 * frame.index
        assert error_to(frame.image, first) < 0.5 * error_to(comb.image, first)
        assert error_to(frame.image, first) < error_to(frame.image, first + 1)


@pytest.mark.parametrize("codec", ["libx264", "ffv1"])
def test_progressive_videos_are_left_alone(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        video = file.add_stream(codec, rate=25, width=160, height=96)
        video.pix_fmt = "yuv420p"
        for i in range(4):  # combed, but not marked as such
            frame = av.VideoFrame.from_ndarray(woven(2 * i, 2 * i + 1), format="rgb24")
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
    with open_video(path, deinterlace=False) as video:
        woven_frames = list(video)
    for frame, other in zip(read_all(path), woven_frames, strict=True):
        assert (frame.image == other.image).all()


def test_live_sources_too(tmp_path: Path) -> None:
    path = write_interlaced(tmp_path / "a.mp4", *INTERLACED[0][1:])
    with path.open("rb", buffering=0) as file, LiveSource("-", stdin=file) as source:
        live = list(source)
    for frame, other in zip(live, read_all(path), strict=True):
        assert (frame.image == other.image).all() and frame.index == other.index


@pytest.mark.parametrize("format", [H264, PRORES_4444], ids=lambda format: format.codec)
def test_what_is_made_of_it_is_marked_as_progressive(tmp_path: Path, format: VideoFormat) -> None:
    path = write_interlaced(tmp_path / "a.mpg", *INTERLACED[2][1:])
    target = tmp_path / f"out{format.suffix}"
    with open_video(path) as video, VideoWriter(target, video, format) as writer:
        for frame in video:
            alpha = np.full((96, 160), 255, np.uint8)
            image = np.dstack([frame.image, alpha]) if format.alpha else frame.image
            writer.write(image, frame.time)
    with av.open(str(target)) as file:
        progressive = 1
        assert file.streams.video[0].codec_context.field_order == progressive
        assert not any(frame.interlaced_frame for frame in file.decode(video=0))
