"""Bad input: one line that names the file, or frames, and what of them is lost."""

import os
import re
import subprocess
import sys
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import gray_frames, level, noisy_frames, write_video
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.video.damage import Damage
from threedcseg.video.frame import Frame
from threedcseg.video.reader import open_video


def read_damaged(path: Path) -> tuple[list[Frame], Damage]:
    """The frames that came, and what is said to be lost; checks that they have their own numbers,
    but for those that the decoder mended."""
    with open_video(path) as video:
        frames = list(video)
    strangers = [f for f in frames if f.image.mean() != pytest.approx(level(f.index), abs=5)]
    assert len(strangers) <= video.damage.mended
    return frames, video.damage


def opening_error(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        open_video(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def test_missing(tmp_path: Path) -> None:
    assert "does not exist" in opening_error(tmp_path / "none.mp4")


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert "empty (0 bytes)" in opening_error(tmp_path / "empty.mp4")


@pytest.mark.parametrize("name", ["notes.txt", "notes.mp4", "notes"])
def test_text(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Not a video.\n" * 200)
    assert "cannot be opened as a video" in opening_error(tmp_path / name)


def test_random_bytes(tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(20000))
    assert "cannot be opened as a video" in opening_error(tmp_path / "noise.mp4")


def test_a_picture_by_the_name_of_a_video(tmp_path: Path) -> None:
    image = Image.fromarray(gray_frames(1)[0])
    image.save(tmp_path / "photo.mp4", format="PNG")
    assert "a picture, by another name" in opening_error(tmp_path / "photo.mp4")


def test_sound_only(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "s.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    assert "sound but no picture" in opening_error(tmp_path / "s.wav")


def test_sound_with_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as file:
        sound = file.add_stream("aac", rate=48000, layout="mono")
        cover = file.add_stream("mjpeg", rate=1, width=64, height=48)
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        file.mux(cover.encode(av.VideoFrame.from_ndarray(gray_frames(1)[0], format="rgb24")))
        file.mux(cover.encode(None))
        part = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), "fltp", "mono")
        part.sample_rate = 48000
        file.mux(sound.encode(part))
        file.mux(sound.encode(None))
    with av.open(str(path)) as file:
        assert file.streams.video, "the file made here is to have a cover"
    assert "sound but no picture" in opening_error(path)


@pytest.mark.parametrize("name", ["none.mkv", "none.mp4", "none.avi", "none.mov"])
def test_no_frames(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as file:
        file.add_stream("libx264", rate=24, width=64, height=48)
        file.start_encoding()
    reasons = "it ends before its first frame|no video stream|it holds no frames"
    assert re.search(reasons, opening_error(path))


def test_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "neither a file nor a folder" in opening_error(tmp_path / "pipe.mp4")


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs POSIX users")
def test_unreadable(public_path: Path) -> None:
    """As another user where the tests run as root, whom no permission stops."""
    path = write_video(public_path / "secret.mp4", gray_frames(2))
    frames = public_path / "frames"
    frames.mkdir()
    Image.fromarray(gray_frames(1)[0]).save(frames / "0.png")
    program = """if True:
        import os, sys
        from threedcseg.errors import InputError
        from threedcseg.video.reader import open_video
        if os.geteuid() == 0:
            os.setuid(65534)
        for path in sys.argv[1:]:
            try:
                open_video(path)
            except InputError as error:
                print(error)
    """
    path.chmod(0)
    (frames / "0.png").chmod(0)
    paths = [str(path), str(frames)]
    done = subprocess.run(
        [sys.executable, "-c", program, *paths], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("may not be read" in line for line in lines)
    assert "secret.mp4" in lines[0] and "0.png" in lines[1]


CONTAINERS = [
    ("a.mp4", "libx264", {"movflags": "faststart"}),
    ("a.mp4", "libx264", {"movflags": "frag_keyframe"}),
    ("a.mkv", "libx264", {}),
    ("a.webm", "libvpx-vp9", {}),
    ("a.avi", "mpeg4", {}),
    ("a.ts", "libx264", {}),
    ("a.flv", "libx264", {}),
    ("a.gif", "gif", {}),
]


@pytest.mark.parametrize("share", [0.7, 0.95])
@pytest.mark.parametrize(("name", "codec", "container_options"), CONTAINERS)
def test_what_is_left_of_a_cut_file_is_read_and_the_loss_told(
    tmp_path: Path, name: str, codec: str, container_options: dict[str, str], share: float
) -> None:
    whole = write_video(
        tmp_path / name,
        noisy_frames(60),
        codec=codec,
        pix_fmt="gray" if codec == "gif" else "yuv420p",
        container_options=container_options,
    )
    data = whole.read_bytes()
    cut = whole.with_stem("cut")
    length = int(len(data) * share)
    cut.write_bytes(data[: length + (length % 188 == 0)])
    frames, damage = read_damaged(whole)
    assert len(frames) == 60 and not damage
    frames, damage = read_damaged(cut)
    assert 15 <= len(frames) <= 60 and damage
    assert damage.decoded == len(frames)
    assert 0.5 <= damage.at <= 2.5


def test_mp4_cut_before_its_index_cannot_be_opened(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.mp4", noisy_frames(60)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    assert "cut short" in opening_error(tmp_path / "cut.mp4")


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.mpg", "mpeg2video"), ("a.ts", "libx264")],
)
def test_behind_damage_in_the_middle_reading_goes_on(tmp_path: Path, name: str, codec: str) -> None:
    path = write_video(tmp_path / name, noisy_frames(60), codec=codec)
    data = bytearray(path.read_bytes())
    middle = len(data) * 6 // 10
    data[middle : middle + 2000] = np.random.default_rng(1).bytes(2000)
    path.write_bytes(data)
    frames, damage = read_damaged(path)
    assert 45 <= len(frames) <= 60 and damage
    assert frames[-1].index >= 58  # and has its number, though some before it are lost
    assert 1 < damage.at < 2


def test_frames_behind_a_gap_keep_their_numbers(tmp_path: Path) -> None:
    """Zeros in a VP9 Matroska: players find the next cluster."""
    path = write_video(
        tmp_path / "a.mkv",
        noisy_frames(60),
        codec="libvpx-vp9",
        container_options={"cluster_time_limit": "500"},
    )
    data = bytearray(path.read_bytes())
    place = data.index(b"\x1f\x43\xb6\x75", len(data) // 3)
    data[place : place + 700] = bytes(700)
    path.write_bytes(data)
    frames, damage = read_damaged(path)
    numbers = [frame.index for frame in frames]
    missing = sorted(set(range(60)) - set(numbers))
    assert 1 < len(missing) < 30
    assert missing == list(range(missing[0], missing[-1] + 1))
    assert frames[-1].name == "00059"
    assert damage.at == pytest.approx(missing[0] / 24, abs=0.01)
    assert str(damage) == f"60 expected, {len(frames)} decoded: damaged at {missing[0] / 24:.1f} s"


def test_a_lost_first_frame_is_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", noisy_frames(60))
    with av.open(str(path)) as file:
        first = next(file.demux(video=0))
    data = bytearray(path.read_bytes())
    data[first.pos : first.pos + first.size] = bytes(first.size)
    path.write_bytes(data)
    frames, damage = read_damaged(path)
    assert frames[0].index > 0 and frames[0].time == Fraction(frames[0].index, 24)
    assert damage.at == 0


ORDINARY = [
    ("vfr.mp4", "libx264", {}, {}),
    ("vfr.mkv", "libvpx-vp9", {}, {}),
    ("vfr.webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16"}, {}),
    ("vfr.flv", "flv", {}, {}),
    ("vfr.gif", "gif", {}, {}),
    ("vfr.wmv", "wmv2", {}, {}),
    ("bframes.mov", "libx264", {"bf": "3"}, {}),
    ("open.mkv", "libx264", {"x264-params": "open-gop=1:bframes=3:keyint=12"}, {}),
    ("interlaced.ts", "libx264", {"flags": "+ildct+ilme", "x264-params": "interlaced=1"}, {}),
    ("fragments.mp4", "libx264", {}, {"movflags": "frag_keyframe+empty_moov"}),
    ("dash.mp4", "libx264", {}, {"movflags": "dash", "frag_size": "2000"}),
    ("live.mkv", "libx264", {}, {"live": "1"}),
    ("live.webm", "libvpx-vp9", {}, {"live": "1", "cluster_time_limit": "300"}),
    ("a.y4m", "wrapped_avframe", {}, {}),
    ("a.avi", "mpeg4", {"bf": "2"}, {}),
]


@pytest.mark.parametrize(("name", "codec", "options", "container_options"), ORDINARY)
def test_nothing_is_said_of_ordinary_files(
    tmp_path: Path, name: str, codec: str, options: dict, container_options: dict
) -> None:
    gaps = np.random.default_rng(0).integers(1, 6, 60) if "vfr" in name else np.ones(60)
    rate = 25 if "vfr" in name else 24
    path = write_video(
        tmp_path / name,
        noisy_frames(60),
        codec=codec,
        pix_fmt="gray" if codec == "gif" else "yuv420p",
        times=[Fraction(int(place), rate) for place in np.cumsum(gaps)],
        time_base=Fraction(1, rate),
        options=options,
        container_options=container_options,
    )
    with open_video(path) as video:
        frames = list(video)
    assert not video.damage, video.damage
    assert [frame.index for frame in frames] == list(range(60))


def test_a_trimmed_file_is_whole(tmp_path: Path) -> None:
    """Copied from within, as phones and editors cut: an edit list hides what is before."""
    whole = write_video(tmp_path / "whole.mp4", noisy_frames(60), audio="aac")
    cut = tmp_path / "cut.mov"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        tracks = [target.add_stream_from_template(stream) for stream in source.streams]
        for packet in source.demux():
            if packet.dts is not None and packet.dts * packet.time_base < 2:
                packet.pts -= round(Fraction(1, 2) / packet.time_base)
                packet.dts -= round(Fraction(1, 2) / packet.time_base)
                packet.stream = tracks[packet.stream_index]
                target.mux(packet)
    with open_video(cut) as video:
        frames = list(video)
    assert 30 <= len(frames) < 50 and not video.damage
    assert [frame.index for frame in frames] == list(range(len(frames)))


def test_a_recording_may_begin_between_key_frames(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.ts", noisy_frames(60)).read_bytes()
    (tmp_path / "later.ts").write_bytes(data[len(data) // 188 // 3 * 188 :])
    with open_video(tmp_path / "later.ts") as video:
        assert 25 <= sum(1 for _ in video) < 45
    assert not video.damage


def test_size_change_midway(tmp_path: Path) -> None:
    """Two transport streams joined, as recorders do when the programme changes its format."""
    one = write_video(tmp_path / "1.ts", gray_frames(10, 48, 64))
    two = write_video(tmp_path / "2.ts", gray_frames(10, 96, 128))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() + two.read_bytes())
    with pytest.raises(InputError, match=r"from 64x48 to 128x96 at frame \d+") as caught:
        for frame in open_video(joined):
            assert frame.image.shape == (48, 64, 3)
    assert "\n" not in str(caught.value)
