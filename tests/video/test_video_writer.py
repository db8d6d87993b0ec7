"""Written videos: right picture, exact times, sound in sync, nothing left when it fails."""

import logging
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import gray_frames, quadrants, read_all, write_video
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.outputs.overlay import overlay
from threedcseg.video.encoder import H264, PRORES_4444, VP9_ALPHA, VideoFormat
from threedcseg.video.reader import open_video
from threedcseg.video.tracks import MP4_TRACKS, Tracks
from threedcseg.video.writer import VideoWriter


def make_overlay(source: Path, target: Path) -> Path:
    with open_video(source) as video, VideoWriter(target, video) as writer:
        mask = np.zeros((video.height, video.width), bool)
        mask[video.height // 4 : video.height // 2, video.width // 4 :] = True
        for frame in video:
            writer.write(overlay(frame.image, mask), frame.time)
    assert not list(target.parent.glob(".*")), "a temporary file was left"
    return target


def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as file:
        (stream,) = getattr(file.streams, kind)
        return [(p.pts * p.time_base, bytes(p)) for p in file.demux(stream) if p.size]


def first_sound(path: Path) -> float:
    """When the silence ends, in seconds from the first picture; and checks that the tone stays."""
    with av.open(str(path)) as file:
        zero = next(file.decode(video=0)).time
    with av.open(str(path)) as file:
        times, values = [], []
        for frame in file.decode(audio=0):
            samples = np.abs(frame.to_ndarray().astype(np.float64).reshape(-1))
            samples = samples / (32768 if frame.format.name.startswith("s16") else 1)
            channels = 1 if frame.format.is_planar else frame.layout.nb_channels
            values.append(samples[::channels][: frame.samples])
            times.append(frame.time + np.arange(frame.samples) / frame.sample_rate)
    loud = np.concatenate(times)[np.concatenate(values) > 0.1]
    assert loud[-1] - loud[0] > 0.5
    return float(loud[0] - zero)


def sound_end(path: Path) -> float:
    """Seconds from the first picture to the end of the last sample."""
    with av.open(str(path)) as file:
        zero = next(file.decode(video=0)).time
    with av.open(str(path)) as file:
        *_, last = file.decode(audio=0)
    return float(last.time + last.samples / last.sample_rate - zero)


VARIABLE = [Fraction(t, 1000) for t in (0, 17, 50, 51, 400, 1400, 1433, 2000, 2100)]


def test_variable_frame_rate_and_sound_are_kept_exactly(tmp_path: Path) -> None:
    source = write_video(
        tmp_path / "in.mp4",
        gray_frames(len(VARIABLE)),
        times=VARIABLE,
        time_base=Fraction(1, 90000),
        audio="aac",
        tone_from=1.0,
    )
    target = make_overlay(source, tmp_path / "out.mp4")
    assert [frame.time for frame in read_all(target)] == VARIABLE
    before, after = packets(source, "audio"), packets(target, "audio")
    assert before == after, "the sound is copied, not encoded anew"
    assert first_sound(target) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("name", "codec", "audio", "copied"),
    [
        ("in.mov", "libx264", "aac", "aac"),
        ("in.mp4", "libx264", "libmp3lame", "mp3float"),
        ("in.mp4", "libx264", "ac3", "ac3"),
        ("in.ts", "libx264", "aac", "aac"),
        ("in.flv", "libx264", "aac", "aac"),
        ("in.mkv", "libx264", "flac", "flac"),
        ("in.webm", "libvpx-vp9", "libopus", "opus"),
        ("in.mov", "libx264", "alac", "alac"),
        ("in.avi", "mpeg4", "pcm_s16le", None),
        ("in.mov", "libx264", "pcm_s16le", None),
        ("in.ts", "mpeg2video", "mp2", None),
        ("in.mkv", "libx264", "wavpack", None),
    ],
)
def test_sound_of_every_container_stays_in_sync(
    tmp_path: Path, name: str, codec: str, audio: str, copied: str | None
) -> None:
    source = write_video(tmp_path / name, gray_frames(48), codec=codec, audio=audio, tone_from=1.0)
    target = make_overlay(source, tmp_path / "out.mp4")
    with av.open(str(target)) as file:
        assert file.streams.audio[0].codec_context.name == (copied or "aac")
    assert first_sound(source) == pytest.approx(1.0, abs=1 / 24)
    assert first_sound(target) == pytest.approx(first_sound(source), abs=0.003)
    assert sound_end(target) == pytest.approx(sound_end(source), abs=1 / 24)
    frames = read_all(target)
    assert len(frames) == 48
    assert frames[-1].time - frames[0].time == pytest.approx(47 / 24, abs=1e-3)


@pytest.mark.parametrize("sample_rate", [8000, 192000])
def test_sample_rates_that_aac_has_and_has_not(tmp_path: Path, sample_rate: int) -> None:
    source = write_video(
        tmp_path / "in.avi",
        gray_frames(48),
        codec="mpeg4",
        audio="pcm_s16le",
        sample_rate=sample_rate,
        tone_from=1.0,
    )
    target = make_overlay(source, tmp_path / "out.mp4")
    assert first_sound(target) == pytest.approx(1.0, abs=0.01)


def test_sound_is_read_along_with_the_picture_not_all_at_once(tmp_path: Path) -> None:
    """Memory would grow with the video otherwise."""
    source = write_video(tmp_path / "in.mp4", gray_frames(48), audio="aac")
    with av.open(str(tmp_path / "half.mp4"), "w") as file:
        picture = file.add_stream("libx264", rate=24, width=64, height=48)
        track = Tracks(str(source), file, picture, Fraction(0), MP4_TRACKS)
        track.write_until(Fraction(1))
        track.close()
    assert sound_end(source) > 1.9
    half = packets(tmp_path / "half.mp4", "audio")
    assert 0.9 < max(time for time, _ in half) <= 1.0
    assert half == packets(source, "audio")[: len(half)]


def test_damaged_sound_ends_early_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sound = write_video(tmp_path / "sound.mkv", gray_frames(48), audio="mp2")
    source = tmp_path / "in.mkv"
    with av.open(str(sound)) as good, av.open(str(source), "w") as bad:
        copies = [bad.add_stream_from_template(stream, opaque=True) for stream in good.streams]
        for packet in good.demux():
            if packet.size == 0:
                continue
            if packet.stream.type == "audio" and packet.pts > 1000:
                zeros = av.Packet(bytes(packet.size))
                zeros.pts, zeros.dts, zeros.time_base = packet.pts, packet.dts, packet.time_base
                zeros.stream = packet.stream
                packet = zeros
            packet.stream = copies[packet.stream.index]
            bad.mux(packet)
    with caplog.at_level(logging.WARNING):
        target = make_overlay(source, tmp_path / "out.mp4")
    assert len(read_all(target)) == 48
    assert "the sound is damaged" in caplog.text and str(source) in caplog.text
    assert sound_end(target) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(25), Fraction(12, 5)])
def test_constant_rate_is_exact(tmp_path: Path, rate: Fraction) -> None:
    source = write_video(tmp_path / "in.mp4", gray_frames(30), rate=rate)
    target = make_overlay(source, tmp_path / "out.mp4")
    with open_video(target) as video:
        assert video.rate == rate
        assert [frame.time for frame in video] == [i / rate for i in range(30)]
    with av.open(str(source)) as one, av.open(str(target)) as other:
        assert one.duration == other.duration and not other.streams.audio


def test_folder_becomes_24_frames_a_second(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for i, image in enumerate(gray_frames(6)):
        Image.fromarray(image).save(folder / f"{i}.png")
    target = make_overlay(folder, tmp_path / "new" / "folder" / "out.mp4")
    with open_video(target) as video:
        assert video.rate == 24 and sum(1 for _ in video) == 6


def test_picture_and_colour_tags(tmp_path: Path) -> None:
    image = quadrants(96, 128)
    source = write_video(tmp_path / "in.mkv", [image] * 3, codec="ffv1", pix_fmt="bgr0")
    mask = np.zeros((96, 128), bool)
    mask[30:70, 40:90] = True
    with open_video(source) as video, VideoWriter(tmp_path / "o.mp4", video) as writer:
        for frame in video:
            writer.write(overlay(frame.image, mask), frame.time)
    got = read_all(tmp_path / "o.mp4")[1].image
    assert np.abs(got.astype(int) - overlay(image, mask)).mean() < 5
    with av.open(str(tmp_path / "o.mp4")) as file:
        context = file.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        tags = context.colorspace, context.color_primaries, context.color_trc, context.color_range
        assert tags == (1, 1, 1, 1)
    data = (tmp_path / "o.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_wide_colours_keep_their_tags(tmp_path: Path) -> None:
    bt2020, hlg = 9, 18
    source = write_video(
        tmp_path / "hdr.mp4", gray_frames(3), color=(1, 1, bt2020, hlg), pixel_aspect=Fraction(4, 3)
    )
    target = make_overlay(source, tmp_path / "out.mp4")
    with av.open(str(target)) as file:
        context = file.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc) == (bt2020, hlg)
        assert context.sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize(("height", "width"), [(33, 17), (48, 27), (1, 1), (2, 2)])
def test_odd_sizes_are_padded_with_the_edge(tmp_path: Path, height: int, width: int) -> None:
    image = np.full((height, width, 3), 90, np.uint8)
    image[:, -1] = image[-1] = 200
    source = write_video(tmp_path / "in.mkv", [image] * 2, codec="ffv1", pix_fmt="bgr0")
    with open_video(source) as video, VideoWriter(tmp_path / "o.mp4", video) as writer:
        for frame in video:
            writer.write(frame.image, frame.time)
    got = read_all(tmp_path / "o.mp4")[0].image
    assert got.shape == (height + height % 2, width + width % 2, 3)
    padded = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    assert np.abs(got.astype(int) - padded).mean() < 4


def test_rotated_source_gives_an_upright_overlay(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", [quadrants(48, 64)] * 2, rotation=90)
    target = make_overlay(source, tmp_path / "out.mp4")
    with av.open(str(target)) as file:
        frame = next(file.decode(video=0))
    assert frame.rotation == 0 and (frame.height, frame.width) == (64, 48)


def error_of(path: Path, source: Path) -> str:
    with (
        pytest.raises(InputError) as caught,
        open_video(source) as video,
        VideoWriter(path, video),
    ):
        pytest.fail("entered")
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


def test_the_input_itself_is_refused(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", gray_frames(2))
    before = source.read_bytes()
    (tmp_path / "link.mp4").symlink_to(source)
    for path in (source, tmp_path / "." / "a.mp4", tmp_path / "link.mp4"):
        assert "is the input itself" in error_of(path, source)
    assert source.read_bytes() == before


def test_other_bad_names(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", gray_frames(2))
    (tmp_path / "folder.mp4").mkdir()
    assert "is a folder" in error_of(tmp_path / "folder.mp4", source)
    assert "name it b.mp4" in error_of(tmp_path / "b.avi", source)
    with pytest.raises(InputError, match="expected a folder"):
        make_overlay(source, source / "b.mp4")


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs POSIX users")
def test_folder_that_may_not_be_written(public_path: Path) -> None:
    source = write_video(public_path / "a.mp4", gray_frames(2))
    public_path.chmod(0o555)
    program = """if True:
        import os, sys
        from threedcseg.errors import InputError
        from threedcseg.video.reader import open_video
        from threedcseg.video.writer import MaskWriter, VideoWriter
        if os.geteuid() == 0:
            os.setuid(65534)
        folder = sys.argv[1]
        for writer in (
            lambda: MaskWriter(folder),
            lambda: MaskWriter(f"{folder}/new"),
            lambda: VideoWriter(f"{folder}/o.mp4", open_video(f"{folder}/a.mp4")),
        ):
            try:
                writer().__enter__()
            except InputError as error:
                print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", program, str(public_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    public_path.chmod(0o755)
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done
    assert all(str(public_path) in line for line in lines)
    assert [path.name for path in public_path.iterdir()] == [source.name]


@pytest.mark.parametrize("after", [0, 3])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, after: int) -> None:
    source = write_video(tmp_path / "a.mp4", gray_frames(6), audio="aac")
    target = tmp_path / "out" / "o.mp4"
    target.parent.mkdir()
    target.write_bytes(b"old")
    mask = np.zeros((48, 64), bool)
    with (
        pytest.raises(KeyboardInterrupt),
        open_video(source) as video,
        VideoWriter(target, video) as writer,
    ):
        for frame in video:
            if frame.index == after:
                raise KeyboardInterrupt
            writer.write(overlay(frame.image, mask), frame.time)
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


def test_without_frames_nothing_is_written(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", gray_frames(2))
    with (
        pytest.raises(ValueError, match="no frame was written"),
        open_video(source) as video,
        VideoWriter(tmp_path / "o.mp4", video),
    ):
        pass
    assert list(tmp_path.iterdir()) == [source]


def with_clock(path: Path, scale: int) -> Path:
    """An MP4 whose tracks count so many ticks a second."""
    data = bytearray(path.read_bytes())
    place = 0
    while (place := data.find(b"mdhd", place + 1)) > 0:
        data[place + 16 : place + 20] = scale.to_bytes(4, "big")
    odd = path.with_stem(f"odd{scale}")
    odd.write_bytes(data)
    return odd


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
@pytest.mark.parametrize("scale", [1_000_000_007, 2**31 - 1])
def test_a_clock_that_cannot_be_coded_is_one_line(tmp_path: Path, suffix: str, scale: int) -> None:
    odd = with_clock(write_video(tmp_path / "a.mov", gray_frames(12), audio="aac"), scale)
    format = {".mp4": H264, ".mov": PRORES_4444, ".webm": VP9_ALPHA}[suffix]
    target = tmp_path / f"out{suffix}"
    with (
        pytest.raises(InputError, match="counted in ticks") as caught,
        open_video(odd) as video,
        VideoWriter(target, video, format) as writer,
    ):
        for frame in video:
            alpha = np.full((*frame.image.shape[:2], 1), 255, np.uint8)
            image = np.dstack([frame.image, alpha]) if format.alpha else frame.image
            writer.write(image, frame.time)
    assert str(target) in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "a.mov", odd])


@pytest.mark.parametrize("format", [H264, PRORES_4444, VP9_ALPHA])
def test_made_again_it_is_the_same(tmp_path: Path, format: VideoFormat) -> None:
    source = write_video(tmp_path / "a.mp4", gray_frames(12), audio="aac")
    made = []
    for name in ("one", "two"):
        with open_video(source) as video:
            target = tmp_path / f"{name}{format.suffix}"
            with VideoWriter(target, video, format) as writer:
                for frame in video:
                    alpha = np.full((*frame.image.shape[:2], 1), 99, np.uint8)
                    image = np.dstack([frame.image, alpha]) if format.alpha else frame.image
                    writer.write(image, frame.time)
            made.append(target.read_bytes())
    assert made[0] == made[1]
