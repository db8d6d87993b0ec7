"""Good videos of every kind: the right frames, upright, RGB, at the right times."""

import tracemalloc
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type
from made_videos import gray_frames, level, quadrants, read_all, write_video

from threedcseg.errors import InputError
from threedcseg.video.reader import open_video

LOSSLESS = {"codec": "ffv1", "pix_fmt": "bgr0"}


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mov", "mjpeg", "yuvj420p"),
        ("a.mkv", "libx264", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.ts", "libx264", "yuv420p"),
        ("a.flv", "libx264", "yuv420p"),
        ("a.mpg", "mpeg2video", "yuv420p"),
        ("a.gif", "gif", "gray"),
    ],
)
def test_frames_in_order_with_names_and_times(
    tmp_path: Path, name: str, codec: str, pix_fmt: str
) -> None:
    rate = Fraction(25)  # a rate that GIF's clock of 1/100 s can hold too
    path = write_video(tmp_path / name, gray_frames(30), codec=codec, pix_fmt=pix_fmt, rate=rate)
    with open_video(path) as video:
        assert (video.height, video.width) == (48, 64)
        assert video.path == path
        assert video.rate == rate
        assert video.num_frames is not None and abs(video.num_frames - 30) <= 5
        frames = list(video)
        again = list(video)
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.name for frame in frames[:2] + frames[-1:]] == ["00000", "00001", "00029"]
    for frame in frames:
        assert frame.image.shape == (48, 64, 3) and frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous and frame.image.flags.writeable
        assert frame.image.mean() == pytest.approx(level(frame.index), abs=1.9)
        assert frame.time == pytest.approx(frame.index / rate, abs=1e-3)
    for one, other in zip(frames, again, strict=True):
        assert one.time == other.time and (one.image == other.image).all()


def test_rate_and_times_are_exact(tmp_path: Path) -> None:
    ntsc = Fraction(30000, 1001)
    path = write_video(tmp_path / "ntsc.mp4", gray_frames(40), rate=ntsc)
    with open_video(path) as video:
        assert video.rate == ntsc
        assert [frame.time for frame in video] == [i / ntsc for i in range(40)]


def test_variable_frame_rate_keeps_the_files_times(tmp_path: Path) -> None:
    times = [Fraction(t, 1000) for t in (0, 17, 50, 51, 400, 1400, 1433, 2000)]
    path = write_video(
        tmp_path / "vfr.mp4", gray_frames(8), times=times, time_base=Fraction(1, 90000)
    )
    assert [frame.time for frame in read_all(path)] == times


def test_time_starts_at_zero_where_the_file_does_not(tmp_path: Path) -> None:
    times = [3600 + Fraction(i, 25) for i in range(5)]
    path = write_video(
        tmp_path / "late.ts", gray_frames(5), times=times, time_base=Fraction(1, 90000)
    )
    with open_video(path) as video:
        assert video.start >= 3600
        assert [frame.time for frame in video] == [Fraction(i, 25) for i in range(5)]


def test_times_without_time_stamps_follow_the_rate(tmp_path: Path) -> None:
    path = write_video(tmp_path / "raw.h264", gray_frames(20), format="h264")
    frames = read_all(path)
    with open_video(path) as video:
        assert [frame.time for frame in frames] == [i / video.rate for i in range(20)]
        assert video.num_frames is None


def test_times_that_start_over_go_on_growing(tmp_path: Path) -> None:
    """Two recordings joined: both begin at their own zero."""
    one = write_video(tmp_path / "1.ts", gray_frames(10))
    (tmp_path / "joined.ts").write_bytes(one.read_bytes() * 2)
    with open_video(tmp_path / "joined.ts") as video:
        times = [frame.time for frame in video]
    assert len(times) > 15
    assert all(a < b for a, b in pairwise(times))


def as_ffmpeg_shows(path: Path) -> np.ndarray:
    """The first frame by the filters that FFmpeg's own player puts in (``ffmpeg_filter.c``)."""
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
    matrix = np.frombuffer(bytes(frame.side_data[Type.DISPLAYMATRIX]), np.int32).tolist()
    filters: list[tuple[str, str | None]] = []
    match frame.rotation % 360:
        case 90:
            filters = [("transpose", "clock_flip" if matrix[3] < 0 else "cclock")]
        case 270:
            filters = [("transpose", "cclock_flip" if matrix[3] > 0 else "clock")]
        case 180:
            filters = [("hflip", None)] * (matrix[0] < 0) + [("vflip", None)] * (matrix[4] < 0)
        case 0:
            filters = [("vflip", None)] * (matrix[4] < 0)
    graph = av.filter.Graph()
    nodes = [
        graph.add_buffer(
            width=frame.width, height=frame.height, format="yuv420p", time_base=frame.time_base
        )
    ]
    nodes += [graph.add(name, args) for name, args in filters]
    graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    graph.vpush(frame)
    return graph.vpull().to_ndarray(format="rgb24")


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_all_eight_orientations_are_those_that_ffmpeg_shows(
    tmp_path: Path, rotation: int, mirrored: bool
) -> None:
    """The display matrix turns what is stored counter-clockwise, then mirrors it."""
    stored = quadrants(48, 64)
    path = write_video(tmp_path / "r.mp4", [stored] * 3, rotation=rotation, mirrored=mirrored)
    upright = np.rot90(stored, rotation // 90)[:, :: -1 if mirrored else 1]
    with open_video(path) as video:
        assert (video.height, video.width) == upright.shape[:2]
        frame = next(iter(video))
    assert frame.image.shape == upright.shape and frame.image.flags.c_contiguous
    assert np.abs(frame.image.astype(int) - upright).mean() < 5
    if rotation or mirrored:
        assert np.abs(frame.image.astype(int) - as_ffmpeg_shows(path)).mean() < 5


@pytest.mark.parametrize("turn", [10, -10])
def test_a_matrix_that_is_nearly_upright_is_taken_as_upright(tmp_path: Path, turn: int) -> None:
    stored = quadrants(48, 64)
    path = write_video(tmp_path / "r.mp4", [stored], rotation=turn)
    assert np.abs(read_all(path)[0].image.astype(int) - stored).mean() < 5


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mkv", "ffv1", "yuv444p"),
        ("a.mkv", "ffv1", "yuv422p10le"),
        ("a.mkv", "ffv1", "yuva420p"),
        ("a.mkv", "ffv1", "bgra"),
        ("a.mkv", "ffv1", "gbrp16le"),
        ("a.mov", "prores_ks", "yuva444p10le"),
        ("a.mov", "png", "rgba"),
        ("a.mov", "png", "rgb48be"),
        ("a.mov", "qtrle", "argb"),
        ("a.avi", "mjpeg", "yuvj444p"),
        ("a.gif", "gif", "rgb8"),
    ],
)
def test_pixel_formats_give_the_same_rgb(
    tmp_path: Path, name: str, codec: str, pix_fmt: str
) -> None:
    image = quadrants(48, 64)
    path = write_video(tmp_path / name, [image] * 2, codec=codec, pix_fmt=pix_fmt)
    got = read_all(path)[-1].image
    coarse = 60 if pix_fmt == "rgb8" else 6  # 256 colours
    assert np.abs(got[4:20, 4:28].astype(int) - image[4:20, 4:28]).max() <= coarse
    smeared = 1 if "420" in pix_fmt else 0  # colour of half the width and height
    assert np.abs(got.astype(int) - image).mean() < coarse / 2 + smeared


@pytest.mark.parametrize("pix_fmt", ["gray", "gray16le", "gray10le"])
def test_gray_of_any_depth_becomes_rgb(tmp_path: Path, pix_fmt: str) -> None:
    ramp = np.repeat(np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))[..., None], 3, axis=2)
    path = write_video(tmp_path / "g.mkv", [ramp], codec="ffv1", pix_fmt=pix_fmt)
    (frame,) = read_all(path)
    assert np.abs(frame.image.astype(int) - ramp).max() <= 2


def test_alpha_is_dropped_over_the_plain_colour(tmp_path: Path) -> None:
    """A fully transparent red stays red."""
    path = tmp_path / "clear.mov"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("png", rate=24, width=16, height=16)
        stream.pix_fmt = "rgba"
        pixels = np.zeros((16, 16, 4), np.uint8)
        pixels[..., 0] = 200
        file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgba")))
        file.mux(stream.encode(None))
    (frame,) = read_all(path)
    assert (frame.image == (200, 0, 0)).all()


BT601, BT709, LIMITED, FULL, UNSPECIFIED = 5, 1, 1, 2, 2


@pytest.mark.parametrize("matrix", [BT601, BT709])
@pytest.mark.parametrize("scale", [LIMITED, FULL])
def test_colour_matrix_and_range_are_honoured(tmp_path: Path, matrix: int, scale: int) -> None:
    image = quadrants(48, 64)
    path = write_video(
        tmp_path / "c.mp4", [image] * 2, color=(matrix, scale, 1, 1), options={"crf": "1"}
    )
    got = read_all(path)[0].image
    assert np.abs(got[4:44, 4:28].astype(int) - image[4:44, 4:28]).mean() < 5


@pytest.mark.parametrize(("matrix", "red", "blue"), [(1, 0.2126, 0.0722), (5, 0.299, 0.114)])
@pytest.mark.parametrize(
    ("scale", "black", "luma", "chroma"), [(1, 16, 219, 224), (2, 0, 255, 255)]
)
def test_colours_are_rounded_not_cut_off(
    tmp_path: Path, matrix: int, red: float, blue: float, scale: int, black: int, luma: int,
    chroma: int,
) -> None:  # fmt: skip
    across, down = np.mgrid[:80, :80]
    image = (40 + across + down)[..., None] + np.array([30, 0, -20])  # U and V the same everywhere
    image = image.astype(np.uint8)
    path = write_video(tmp_path / "a.mp4", [image] * 2, color=(matrix, scale, 2, 2))
    with av.open(str(path)) as file:
        planes = next(file.decode(video=0)).planes
        y, u, v = (np.frombuffer(p, np.uint8).reshape(p.height, -1)[:, : p.width] for p in planes)
    u, v = ((plane.repeat(2, 0).repeat(2, 1) - 128.0) * 255 / chroma for plane in (u, v))
    gray = (y - float(black)) * 255 / luma
    r, b = gray + 2 * (1 - red) * v, gray + 2 * (1 - blue) * u
    exact = np.stack([r, (gray - red * r - blue * b) / (1 - red - blue), b], axis=2)
    got = read_all(path)[0].image
    assert np.abs((got - exact).mean(axis=(0, 1))).max() < 0.6  # not a level too dark


@pytest.mark.parametrize(("height", "matrix"), [(720, BT709), (480, BT601)])
def test_untagged_video_is_taken_as_bt709_from_hd_on(
    tmp_path: Path, height: int, matrix: int
) -> None:
    """Encode with the matrix expected, then do not say so."""
    image = quadrants(height, 1280)
    path = tmp_path / "u.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=24, width=1280, height=height)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=matrix)
        frame.colorspace = UNSPECIFIED
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    (got,) = read_all(path)
    assert np.abs(got.image[8:200, 8:600].astype(int) - image[8:200, 8:600]).mean() < 3


@pytest.mark.parametrize(("height", "width"), [(2, 2), (1, 1), (33, 17), (48, 27), (3, 200)])
def test_tiny_odd_and_portrait_sizes(tmp_path: Path, height: int, width: int) -> None:
    images = gray_frames(3, height, width)
    frames = read_all(write_video(tmp_path / "s.mkv", images, **LOSSLESS))
    for frame, image in zip(frames, images, strict=True):
        assert (frame.image == image).all()


def test_one_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "one.mp4", gray_frames(1))
    with open_video(path) as video:
        (frame,) = list(video)
        assert video.num_frames == 1 and 1 <= video.rate <= 1000
    assert frame.time == 0 and frame.name == "00000"


def test_pixel_aspect_turns_with_the_picture(tmp_path: Path) -> None:
    flat = write_video(tmp_path / "f.mp4", gray_frames(2), pixel_aspect=Fraction(4, 3))
    tall = write_video(tmp_path / "t.mp4", gray_frames(2), pixel_aspect=Fraction(4, 3), rotation=90)
    assert open_video(flat).pixel_aspect == Fraction(4, 3)
    assert open_video(tall).pixel_aspect == Fraction(3, 4)


def test_a_name_that_ffmpeg_would_take_for_a_protocol_or_a_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "plain.mp4", gray_frames(3)).rename(tmp_path / "take2:dog%03d.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(read_all(Path("take2:dog%03d.mp4"))) == 3


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "long.mp4", gray_frames(50, 240, 320) * 4)
    frame_bytes = 240 * 320 * 3
    tracemalloc.start()
    try:
        with open_video(path) as video:
            count = sum(1 for _ in video)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 200
    assert peak < 10 * frame_bytes


def test_leaving_early_and_starting_anew(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", gray_frames(20))
    with open_video(path) as video:
        frames = iter(video)
        assert next(frames).index == 0 and next(frames).index == 1
        assert next(iter(video)).index == 0
        with pytest.raises(StopIteration):
            next(frames)
        last = iter(video)
        next(last)
    with pytest.raises(StopIteration):
        next(last)


def test_start_between_key_frames_is_skipped_not_damage(tmp_path: Path) -> None:
    """A recording cut out of a broadcast begins anywhere; players wait for the first key frame."""
    options = {"g": "10", "bf": "0", "sc_threshold": "0", "crf": "10"}
    whole = write_video(tmp_path / "whole.ts", gray_frames(40), options=options)
    with av.open(str(whole)) as file:
        second = [p.pos for p in file.demux(video=0) if p.size][1]
    data = whole.read_bytes()
    head = data[: 188 * 3]  # the tables that name the streams
    (tmp_path / "cut.ts").write_bytes(head + data[second:])
    try:
        frames = read_all(tmp_path / "cut.ts")
    except InputError as error:
        pytest.fail(str(error))
    assert 25 <= len(frames) <= 30
    assert frames[-1].image.mean() == pytest.approx(level(39), abs=1.9)
