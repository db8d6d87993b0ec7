"""A cut is seen where the container tells its length; whole files are not suspected."""

import re
from pathlib import Path

import av
import pytest
from made_videos import noisy_frames, write_video

from threedcseg.video.structure import flaw_of, is_chain_broken, num_samples

KINDS = [
    ("a.mp4", "libx264", {}),
    ("a.mp4", "libx264", {"movflags": "faststart"}),
    ("a.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
    ("a.mov", "mjpeg", {}),
    ("a.wmv", "wmv2", {}),
    ("a.mkv", "libx264", {}),
    ("a.webm", "libvpx-vp9", {}),
    ("a.avi", "mpeg4", {}),
    ("a.gif", "gif", {}),
    ("a.ogv", "libvpx", {}),
    ("a.ts", "libx264", {}),
]
PIX_FMT = {"gif": "gray", "mjpeg": "yuvj420p"}


def make(folder: Path, name: str, codec: str, options: dict[str, str]) -> bytes:
    pix_fmt = PIX_FMT.get(codec, "yuv420p")
    path = folder / name
    write_video(path, noisy_frames(20), codec=codec, pix_fmt=pix_fmt, container_options=options)
    return path.read_bytes()


@pytest.mark.parametrize(("name", "codec", "options"), KINDS)
def test_whole_and_cut(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    data = make(tmp_path, name, codec, options)
    assert not flaw_of(tmp_path / name)
    cut = tmp_path / "cut"
    for share in (0.4, 0.6, 0.8):
        length = int(len(data) * share)
        cut.write_bytes(data[: length + (length % 188 == 0)])
        assert flaw_of(cut), share


@pytest.mark.parametrize(("name", "codec", "options"), KINDS[:-3])
def test_rubbish_behind_the_end_is_not_a_cut(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    data = make(tmp_path, name, codec, options)
    for rubbish in (b"\0" * 3, b"\0" * 1000, b"\xff" * 1000, b"some text behind the end"):
        (tmp_path / name).write_bytes(data + rubbish)
        assert not flaw_of(tmp_path / name), rubbish[:4]


def test_streamed_matroska_does_not_know_its_size(tmp_path: Path) -> None:
    """Size unknown: nothing can be said, so nothing is."""
    data = make(tmp_path, "live.mkv", "libx264", {"live": "1"})
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    assert not flaw_of(tmp_path / "cut.mkv")


def test_long_avi_of_several_parts(tmp_path: Path) -> None:
    """OpenDML files are several RIFF chunks in a row; the last one may be the cut one."""

    def chunk(kind: bytes, size: int) -> bytes:
        return b"RIFF" + (size + 4).to_bytes(4, "little") + kind + bytes(size)

    path = tmp_path / "long.avi"
    path.write_bytes(chunk(b"AVI ", 1000) + chunk(b"AVIX", 1000))
    assert not flaw_of(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert flaw_of(path)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 11, 12, 100])
def test_any_short_file_is_answered(tmp_path: Path, size: int) -> None:
    for start in (b"\0\0\0\x18ftyp", b"\x1a\x45\xdf\xa3", b"RIFF", b"GIF89a", b"G", b""):
        path = tmp_path / "short"
        path.write_bytes((start + bytes(100))[:size])
        assert flaw_of(path) in ("cut short", "damaged", None)


def test_two_images_of_a_gif_that_ran_into_one(tmp_path: Path) -> None:
    """A block's end is taken out, and the length of another leads to the next image's end."""
    data = bytearray(make(tmp_path, "a.gif", "gif", {}))
    assert flaw_of(tmp_path / "a.gif") is None
    end = data.index(b"\0\x21\xf9\x04", len(data) // 2)  # of one image, before the next
    data[end] = 7
    (tmp_path / "a.gif").write_bytes(data)
    assert flaw_of(tmp_path / "a.gif") == "damaged"


def test_a_page_of_an_ogg_is_missing_or_wrong(tmp_path: Path) -> None:
    data = make(tmp_path, "a.ogv", "libvpx", {})
    starts = [match.start() for match in re.finditer(b"OggS", data)]
    (tmp_path / "a.ogv").write_bytes(data[: starts[2]] + data[starts[3] :])
    assert flaw_of(tmp_path / "a.ogv") == "damaged"
    flipped = bytearray(data)
    flipped[starts[2] + 200] ^= 1
    (tmp_path / "a.ogv").write_bytes(flipped)
    assert flaw_of(tmp_path / "a.ogv") is not None


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("a.mkv", "libx264", {}), ("a.webm", "libvpx-vp9", {"live": "1"}), ("a.flv", "flv", {})],
)
def test_blocks_follow_each_other(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    data = bytearray(make(tmp_path, name, codec, options))
    path = tmp_path / name
    assert not is_chain_broken(path)
    with av.open(str(path)) as file:
        place = [packet.pos for packet in file.demux(video=0) if packet.size][8]
    data[place - 2 : place + 9] = bytes(11)
    path.write_bytes(data)
    assert is_chain_broken(path)


def test_packets_of_fragments_are_counted(tmp_path: Path) -> None:
    for movflags, count in (("frag_keyframe", 20), ("frag_keyframe+empty_moov", 20), ("", 0)):
        make(tmp_path, "a.mp4", "libx264", {"movflags": movflags} if movflags else {})
        assert num_samples(tmp_path / "a.mp4") == count
