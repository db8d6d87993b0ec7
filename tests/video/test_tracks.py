"""What is beside the picture comes along, or is told in one line."""

import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from made_videos import gray_frames, write_video

from threedcseg.video.encoder import H264, PRORES_4444, VP9_ALPHA, VideoFormat
from threedcseg.video.part import Part
from threedcseg.video.reader import open_video
from threedcseg.video.writer import VideoWriter

CREATED = "2024-05-06T07:08:09.000000Z"
SOUNDS = [("pcm_s24le", "5.1", "s32", "eng"), ("pcm_s16le", "mono", "s16", "fra")]


def chapter(number: int, start: int, end: int, title: str) -> Any:
    return {
        "id": number,
        "start": 1000 * start,
        "end": 1000 * end,
        "time_base": Fraction(1, 1000),
        "metadata": {"title": title},
    }


def write_film(path: Path, sounds: list[tuple[str, str, str, str]] = SOUNDS) -> Path:
    """Two seconds with chapters, timecode, time of creation, and several sound tracks."""
    with av.open(str(path), "w") as file:
        file.metadata.update({"creation_time": CREATED, "title": "Holiday"})
        picture = file.add_stream("libx264", rate=25, width=64, height=48)
        picture.metadata["timecode"] = "01:02:03:04"
        tracks = []
        for codec, layout, samples, language in sounds:
            track = file.add_stream(codec, rate=48000, layout=layout)
            track.metadata["language"] = language
            tracks.append((track, layout, samples))
        file.set_chapters([chapter(1, 0, 1, "One"), chapter(2, 1, 2, "Two")])
        for image in gray_frames(50):
            file.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(picture.encode(None))
        rng = np.random.default_rng(0)
        for track, layout, samples in tracks:
            channels = av.AudioLayout(layout).nb_channels
            noise = rng.integers(-9000, 9000, (1, 96000 * channels))
            if samples == "s32":
                noise = noise << 16
            part = av.AudioFrame.from_ndarray(
                noise.astype(np.int32 if samples == "s32" else np.int16), samples, layout
            )
            part.sample_rate = 48000
            file.mux(track.encode(part))
            file.mux(track.encode(None))
    return path


def copy(source: Path, target: Path, format: VideoFormat, part: Part | None = None) -> Path:
    with open_video(source, part=part) as video, VideoWriter(target, video, format) as writer:
        for frame in video:
            alpha = np.full(frame.image.shape[:2], 255, np.uint8)
            image = np.dstack([frame.image, alpha]) if format.alpha else frame.image
            writer.write(image, frame.time)
    return target


def samples_of(path: Path, track: int) -> np.ndarray:
    with av.open(str(path)) as file:
        return np.concatenate([f.to_ndarray().reshape(-1) for f in file.decode(audio=track)])


def sound_times(path: Path) -> list[float]:
    with av.open(str(path)) as file:
        return [float(p.pts * p.time_base) for p in file.demux(audio=0) if p.pts is not None]


def chapters_of(path: Path) -> list[tuple[float, float, str]]:
    with av.open(str(path)) as file:
        return [
            (float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]),
             c["metadata"].get("title", "").strip())
            for c in file.chapters()
        ]  # fmt: skip


def test_editors_get_everything_unchanged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = write_film(tmp_path / "in.mov")
    target = copy(source, tmp_path / "out.mov", PRORES_4444)
    with av.open(str(target)) as file:
        found = [(s.codec_context.name, s.channels, s.language) for s in file.streams.audio]
        assert found == [("pcm_s24le", 6, "eng"), ("pcm_s16le", 1, "fra")]
        assert file.streams.video[0].metadata["timecode"] == "01:02:03:04"
        assert file.metadata["creation_time"] == CREATED
        assert file.metadata["title"] == "Holiday"
    for track in range(2):
        assert (samples_of(source, track) == samples_of(target, track)).all()
    assert chapters_of(target) == [(0, 1, "One"), (1, 2, "Two")]
    assert not caplog.records


def test_players_get_all_of_it_and_a_line_says_what_is_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write_film(tmp_path / "in.mov")
    with caplog.at_level(logging.WARNING):
        target = copy(source, tmp_path / "out.mp4", H264)
    with av.open(str(target)) as file:
        found = [(s.codec_context.name, s.channels, s.language) for s in file.streams.audio]
        assert found == [("aac", 6, "eng"), ("aac", 1, "fra")]
        assert file.streams.video[0].metadata["timecode"] == "01:02:03:04"
        assert file.metadata["creation_time"] == CREATED
    assert chapters_of(target) == [(0, 1, "One"), (1, 2, "Two")]
    (line,) = [record.getMessage() for record in caplog.records]
    assert "\n" not in line and "in MP4" in line
    assert "sound (pcm_s24le, track 1): encoded anew as aac" in line


def test_browsers_too(tmp_path: Path) -> None:
    source = write_film(tmp_path / "in.mkv")
    target = copy(source, tmp_path / "out.webm", VP9_ALPHA)
    with av.open(str(target)) as file:
        found = [(s.codec_context.name, s.channels, s.language) for s in file.streams.audio]
        assert found == [("opus", 6, "eng"), ("opus", 1, "fra")]
        assert file.metadata["creation_time"] == CREATED
    assert chapters_of(target) == [(0, 1, "One"), (1, 2, "Two")]


def test_subtitles_of_another_kind_and_attachments_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as file:
        picture = file.add_stream("libx264", rate=25, width=64, height=48)
        file.add_attachment("a.ttf", "font/ttf", b"0123456789")
        for image in gray_frames(5):
            file.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(picture.encode(None))
    with caplog.at_level(logging.WARNING):
        copy(source, tmp_path / "out.mp4", H264)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == f"{source}, in MP4: an attachment (track 1) left out"


def test_copied_sound_moves_with_the_start(tmp_path: Path) -> None:
    source = tmp_path / "late.mkv"
    with av.open(str(source), "w") as file:
        picture = file.add_stream("libx264", rate=25, width=64, height=48)
        track = file.add_stream("aac", rate=48000, layout="mono")
        for i, image in enumerate(gray_frames(50)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = 60 * 25 + i, Fraction(1, 25)
            file.mux(picture.encode(frame))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), "fltp", "mono")
        silence.sample_rate, silence.time_base = 48000, Fraction(1, 48000)
        silence.pts = int(60.5 * 48000)
        file.mux(track.encode(silence))
        file.mux(picture.encode(None))
        file.mux(track.encode(None))
    before, after = (sound_times(path) for path in (source, copy(source, tmp_path / "o.mp4", H264)))
    assert 60.4 < before[0] < 60.6
    assert after == pytest.approx([time - 60 for time in before], abs=2e-3)


def test_chapters_move_with_the_start(tmp_path: Path) -> None:
    """A recording whose clock begins at an hour: its first frame is 0 in what is made of it."""
    source = tmp_path / "late.mkv"
    with av.open(str(source), "w") as file:
        picture = file.add_stream("libx264", rate=25, width=64, height=48)
        file.set_chapters([chapter(1, 3600, 3601, "One"), chapter(2, 3601, 3602, "Two")])
        for i, image in enumerate(gray_frames(50)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = 3600 * 25 + i, Fraction(1, 25)
            file.mux(picture.encode(frame))
        file.mux(picture.encode(None))
    target = copy(source, tmp_path / "out.mp4", H264)
    assert chapters_of(target) == [(0, 1, "One"), (1, 2, "Two")]


@pytest.mark.parametrize(
    ("name", "audio", "format", "codec"),
    [
        ("in.mp4", "aac", H264, "aac"),
        ("in.mov", "pcm_s16le", PRORES_4444, "pcm_s16le"),
        ("in.mkv", "flac", VP9_ALPHA, "opus"),
        ("in.ts", "aac", H264, "aac"),
    ],
)
def test_sound_of_a_part_is_in_step(
    tmp_path: Path, name: str, audio: str, format: VideoFormat, codec: str
) -> None:
    """A tone that begins at 6.3 s is heard 1.3 s into a part from 5 to 7 s."""
    source = write_video(
        tmp_path / name, gray_frames(250), rate=Fraction(25), audio=audio, tone_from=6.3
    )
    target = copy(source, tmp_path / f"out{format.suffix}", format, Part.parse("5", "7"))
    sound, begin = [], None
    with av.open(str(target)) as file:
        assert file.streams.audio[0].codec_context.name == codec
        for frame in file.decode(audio=0):
            begin = float(frame.pts * frame.time_base) if begin is None else begin
            sound.append(frame.to_ndarray().reshape(-1).astype(float))
    samples = np.abs(np.concatenate(sound))
    onset = begin + np.argmax(samples > samples.max() / 4) / 48000
    assert onset == pytest.approx(1.3, abs=0.04)
    assert begin + len(samples) / 48000 == pytest.approx(2, abs=0.06)


def test_timecode_and_chapters_of_a_part(tmp_path: Path) -> None:
    source = write_film(tmp_path / "in.mov")
    target = copy(source, tmp_path / "out.mov", PRORES_4444, Part.parse("1.2", "1.6"))
    with av.open(str(target)) as file:
        assert file.streams.video[0].metadata["timecode"] == "01:02:04:09"
        assert sum(1 for _ in file.decode(video=0)) == 10
    assert chapters_of(target) == [(0, pytest.approx(0.4), "Two")]
    for track, rate in enumerate((48000 * 6, 48000)):
        length = len(samples_of(target, track)) / rate
        assert length == pytest.approx(0.4, abs=0.06)


@pytest.mark.parametrize(
    ("name", "format"), [("out.mp4", H264), ("out.mov", PRORES_4444), ("out.webm", VP9_ALPHA)]
)
def test_chapters_with_gaps_stay_where_they_are(
    tmp_path: Path, name: str, format: VideoFormat
) -> None:
    """QuickTime's fill all the time: where there was none is one without a title."""
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as file:
        picture = file.add_stream("libx264", rate=5, width=64, height=48)
        file.set_chapters([chapter(1, 1, 2, "One"), chapter(2, 3, 4, "Two")])
        for image in gray_frames(25):
            file.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(picture.encode(None))
    found = chapters_of(copy(source, tmp_path / name, format))
    assert [each for each in found if each[2]] == [(1, 2, "One"), (3, 4, "Two")]
    assert [each[:2] for each in found if not each[2]] in ([], [(0, 1), (2, 3)])


def test_subtitles_that_mp4_has_not_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "in.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nGood morning\n")
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as file, av.open(str(tmp_path / "in.srt")) as words:
        picture = file.add_stream("libx264", rate=25, width=64, height=48)
        subtitles = file.add_stream_from_template(words.streams.subtitles[0])
        for image in gray_frames(5):
            file.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(picture.encode(None))
        for packet in words.demux(subtitles=0):
            if packet.dts is not None:
                packet.stream = subtitles
                file.mux(packet)
    with caplog.at_level(logging.WARNING):
        copy(source, tmp_path / "out.mp4", H264)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{source}, in MP4: the subtitles (") and line.endswith("left out")
