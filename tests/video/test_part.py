"""A part of a recording: the frames and numbers that the whole has there, sought, not read."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from made_videos import gray_frames, noisy_frames, read_all, write_video
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.video.frame import Frame
from threedcseg.video.part import Part
from threedcseg.video.reader import VideoReader, open_video

RATE = Fraction(25)
X264 = "libx264"


def read(path: Path, start: str | None, end: str | None) -> list[Frame]:
    with open_video(path, part=Part.parse(start, end)) as video:
        frames = list(video)
        assert not getattr(video, "damage", None)  # what was sought over is not lost
    return frames


def assert_is_part(path: Path, start: float, end: float | None) -> list[Frame]:
    """What is read is what reading all gives of it, to the bit."""
    whole = read_all(path)
    wanted = [
        frame
        for frame in whole
        if start - 0.02 <= frame.time and (end is None or frame.time < end - 0.02)
    ]
    got = read(path, str(start), None if end is None else str(end))
    assert [(f.index, f.name) for f in got] == [(f.index, f.name) for f in wanted]
    for one, other in zip(got, wanted, strict=True):
        assert one.time == other.time - wanted[0].time
        assert (one.image == other.image).all()
    return got


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", X264, "yuv420p"),
        ("a.mov", "mjpeg", "yuvj420p"),
        ("a.mkv", X264, "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.ts", X264, "yuv420p"),
        ("a.flv", X264, "yuv420p"),
        ("a.mpg", "mpeg2video", "yuv420p"),
        ("a.mxf", "mpeg2video", "yuv420p"),
        ("a.wmv", "wmv2", "yuv420p"),
        ("a.h264", X264, "yuv420p"),
        ("a.gif", "gif", "gray"),
    ],
)
def test_the_same_frames_as_of_the_whole(
    tmp_path: Path, name: str, codec: str, pix_fmt: str
) -> None:
    path = write_video(tmp_path / name, noisy_frames(90), codec=codec, pix_fmt=pix_fmt, rate=RATE)
    for start, end in [(0, 1), (1.24, 2.4), (2, None), (2.88, 2.92)]:
        assert assert_is_part(path, start, end)


def test_open_groups_of_pictures(tmp_path: Path) -> None:
    """Pictures that are shown before the key frame they come after."""
    options = {"x264-params": "open-gop=1:bframes=3:b-adapt=0:keyint=12:min-keyint=12"}
    path = write_video(tmp_path / "open.mp4", noisy_frames(90), rate=RATE, options=options)
    for start in (0.96, 1.4, 1.44, 1.48):
        assert_is_part(path, start, 2)


@pytest.mark.parametrize("name", ["vfr.mp4", "vfr.mkv", "vfr.ts", "vfr.flv"])
def test_numbers_are_exact_at_a_variable_rate(tmp_path: Path, name: str) -> None:
    gaps = np.random.default_rng(1).integers(1, 6, 90)
    times = [Fraction(int(n), 50) for n in np.cumsum(gaps)]
    path = write_video(tmp_path / name, noisy_frames(90), times=times, time_base=Fraction(1, 1000))
    whole = read_all(path)
    for start in (whole[40].time, whole[61].time):
        first, *_ = read(path, str(float(start)), None)
        (match,) = [frame for frame in whole if (frame.image == first.image).all()]
        assert first.index == match.index and abs(match.time - start) <= Fraction(1, 10)


def test_interlaced_ones_begin_as_in_the_whole(tmp_path: Path) -> None:
    options = {"flags": "+ildct+ilme", "x264-params": "interlaced=1"}
    path = write_video(tmp_path / "i.mp4", noisy_frames(60), rate=RATE, options=options)
    assert_is_part(path, 0.96, 2)


def test_only_the_part_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "long.mp4", gray_frames(500), rate=RATE)
    decoded = 0
    decode = VideoReader._decode

    def counted(self, *given):
        nonlocal decoded
        for frame in decode(self, *given):
            decoded += 1
            yield frame

    monkeypatch.setattr(VideoReader, "_decode", counted)
    with open_video(path, part=Part.parse("16", "16.4")) as video:
        decoded = 0
        assert [frame.index for frame in video] == list(range(400, 410))
    assert decoded < 40
    assert video.num_frames == 10 and video.num_bytes < path.stat().st_size / 10


def test_damage_elsewhere_does_not_matter(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "w.mkv", noisy_frames(90), rate=RATE)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    assert [frame.index for frame in read(cut, "0.4", "0.8")] == list(range(10, 20))


def test_a_folder_is_counted_by_its_rate(tmp_path: Path) -> None:
    for i, image in enumerate(gray_frames(10)):
        cv2.imwrite(str(tmp_path / f"f{i}.png"), image)
    part = Part.parse("0.4", "0.8")
    with open_video(tmp_path, folder_rate=Fraction(10), part=part) as video:
        frames = list(video)
    assert [(f.index, f.name, f.time) for f in frames] == [
        (4 + i, f"f{4 + i}", Fraction(i, 10)) for i in range(4)
    ]
    assert video.num_frames == 4 and video.extent.before == Fraction(4, 10)


def write_folder(path: Path) -> Path:
    path.mkdir()
    for i, image in enumerate(gray_frames(50)):
        cv2.imwrite(str(path / f"{i}.png"), image)
    return path


def write_animation(path: Path) -> Path:
    first, *rest = map(Image.fromarray, gray_frames(50))
    first.save(path, save_all=True, append_images=rest, duration=40)
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda path: write_video(path / "v.mp4", gray_frames(50), rate=RATE),
        lambda path: write_folder(path / "v"),
        lambda path: write_animation(path / "v.webp"),
    ],
    ids=["a file", "a folder", "an animation"],
)
def test_an_end_beyond_the_end_is_told(tmp_path: Path, caplog, make) -> None:
    path = make(tmp_path)
    assert [frame.index for frame in read(path, "1.9", "2.5")] and not caplog.records
    assert read(path, "1.9", "1:00")[-1].index == read(path, None, None)[-1].index
    (told,) = caplog.messages
    assert told.startswith(f"the end 00:01:00.000 is beyond that of {path}, which is 00:00:02.")


@pytest.mark.parametrize(
    ("start", "end", "numbers"),
    [
        ("1:00.4", "60.48", [1510, 1511]),
        ("00:01:00:10", "00:01:00:12", [1510, 1511]),
        ("0:01:00.400", "00:01:00:12", [1510, 1511]),
    ],
)
def test_ways_to_say_when(start: str, end: str, numbers: list[int]) -> None:
    first, last = Part.parse(start, end).bounds(RATE, None, "it")
    assert [first * RATE, last * RATE - 1] == numbers


def test_timecodes_are_the_files_own(tmp_path: Path) -> None:
    path = tmp_path / "cam.mov"
    with av.open(str(path), "w") as file:
        picture = file.add_stream(X264, rate=25, width=64, height=48)
        picture.metadata["timecode"] = "10:00:00:00"
        for image in gray_frames(60):
            file.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(picture.encode(None))
    assert [f.index for f in read(path, "10:00:01:05", "10:00:01:07")] == [30, 31]
    assert [f.index for f in read(path, "1.2", "1.28")] == [30, 31]
    with pytest.raises(InputError, match="begins at 10:00:00:00"):
        read(path, "00:00:01:05", None)


@pytest.mark.parametrize(
    ("start", "end", "needle"),
    [
        ("soon", None, "start 'soon' is no time"),
        ("0:75:00", "-3", "end '-3' is no time"),
        ("2", "1", "end 00:00:01.000 is not after the start 00:00:02.000"),
        (None, "0", "not after the start"),
        ("1", "1.001", "no frame from 00:00:01.000 to 00:00:01.001"),
        ("00:00:01:00", "00:00:00:20", "is not after"),
        ("00:00:01:25", None, "from 0 to 24"),
        ("2.4", None, "v.mp4, which is 00:00:02.400 long"),
        ("1:00:00", "2:00:00", "no frame from 01:00:00.000 to 02:00:00.000"),
    ],
)
def test_parts_that_cannot_be(tmp_path: Path, start: str | None, end: str | None, needle: str):
    path = write_video(tmp_path / "v.mp4", gray_frames(60), rate=RATE)
    with pytest.raises(InputError, match=needle) as told:
        read(path, start, end)
    assert told.value.remedy and "\n" not in str(told.value)
