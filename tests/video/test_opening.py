"""A "video" shows what is in it, and nothing else that lies on this machine."""

from collections.abc import Callable
from pathlib import Path

import av
import pytest
from made_videos import gray_frames, read_all, write_video
from PIL import Image
from served import served

from threedcseg.errors import InputError
from threedcseg.video.images import read_image
from threedcseg.video.kinds import kind_of
from threedcseg.video.opening import open_input
from threedcseg.video.reader import open_video


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A video, elsewhere, that nobody means to show."""
    (tmp_path / "secret").mkdir()
    return write_video(tmp_path / "secret" / "secret.ts", gray_frames(5))


LISTS: dict[str, Callable[[Path], str]] = {
    "ffconcat": lambda file: f"ffconcat version 1.0\nfile '{file}'\n",
    "ffconcat by protocol": lambda file: f"ffconcat version 1.0\nfile 'file:{file}'\n",
    "playlist": lambda file: (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{file}\n#EXT-X-ENDLIST\n"
    ),
    "playlist by address": lambda file: (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nfile://{file}\n#EXT-X-ENDLIST\n"
    ),
    "sdp": lambda file: "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "dash": lambda file: f"<?xml version='1.0'?><MPD><BaseURL>{file}</BaseURL></MPD>",
    "subtitles": lambda file: "# VobSub index file, v7\nid: en, index: 0\n",
}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("name", ["clip.mp4", "clip.m3u8", "clip", "clip.ts", "clip.ffconcat"])
def test_a_list_of_other_files_is_no_video(
    tmp_path: Path, secret: Path, kind: str, name: str
) -> None:
    (tmp_path / name).write_text(LISTS[kind](secret))
    with pytest.raises(InputError) as caught:
        read_all(tmp_path / name)
    assert name in str(caught.value)


def test_a_list_as_a_frame_is_no_image(tmp_path: Path, secret: Path) -> None:
    for number, write in enumerate(LISTS.values()):
        frame = tmp_path / f"{number}.png"
        frame.write_text(write(secret))
        with pytest.raises(InputError, match="cannot be read as an image"):
            read_image(frame)


def test_a_name_is_no_pattern(tmp_path: Path) -> None:
    """FFmpeg takes ``%d`` for the numbers of a sequence."""
    for number in range(3):
        Image.fromarray(gray_frames(1)[0]).save(tmp_path / f"clip{number}.tga")
    (tmp_path / "clip%d.tga.x").write_bytes(b"not a video" * 100)
    with pytest.raises(InputError, match="cannot be opened as a video"):
        open_video(tmp_path / "clip%d.tga.x")


def write_playlist(path: Path, *names: str, tag: str = "") -> Path:
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:9", *([tag] if tag else [])]
    for name in names:
        lines += ["#EXTINF:0.5,", name]
    path.write_text("\n".join([*lines, "#EXT-X-ENDLIST"]))
    return path


def test_a_playlist_by_its_name_plays_what_lies_beside_it(tmp_path: Path) -> None:
    write_video(tmp_path / "one.ts", gray_frames(12))
    playlist = write_playlist(tmp_path / "list.m3u8", "one.ts")
    assert len(read_all(playlist)) == 12
    master = tmp_path / "master.m3u8"
    master.write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=99999\nlist.m3u8\n")
    assert len(read_all(master)) == 12
    assert kind_of(playlist) == "video"
    renamed = playlist.rename(tmp_path / "list.mp4")
    with pytest.raises(InputError, match="it lists other files"):
        open_video(renamed)


@pytest.mark.parametrize("name", ["../secret/secret.ts", "secret/secret.ts", "file:one.ts"])
def test_a_playlist_leads_nowhere_else(tmp_path: Path, secret: Path, name: str) -> None:
    write_video(tmp_path / "one.ts", gray_frames(12))
    for playlist in (
        write_playlist(tmp_path / "a.m3u8", "one.ts", name),
        write_playlist(tmp_path / "b.m3u8", "one.ts", tag=f'#EXT-X-MAP:URI="{name}"'),
        write_playlist(tmp_path / "c.m3u8", "one.ts", tag=f"#EXT-X-KEY:METHOD=AES-128,URI={name}"),
        write_playlist(tmp_path / "d.m3u8", "a.m3u8"),
    ):
        with pytest.raises(InputError, match="expected files of its own folder"):
            open_video(playlist)


def test_a_playlist_follows_no_link(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "link.ts").symlink_to(secret)
    with pytest.raises(InputError, match="expected files of its own folder"):
        open_video(write_playlist(tmp_path / "a.m3u8", "link.ts"))


def test_an_address_opens_addresses_but_no_files(tmp_path: Path, secret: Path) -> None:
    write_video(tmp_path / "one.ts", gray_frames(12))
    write_playlist(tmp_path / "good.m3u8", "one.ts")
    write_playlist(tmp_path / "bad.m3u8", f"file://{secret}")
    (tmp_path / "bad.mp4").write_text(LISTS["ffconcat"](secret))
    with served(tmp_path) as host:
        with open_input(f"http://{host}/good.m3u8") as container:
            assert sum(1 for _ in container.decode(video=0)) == 12
        for name in ("bad.m3u8", "bad.mp4"):
            with pytest.raises(av.FFmpegError), open_input(f"http://{host}/{name}") as container:
                assert not list(container.decode(video=0))
                raise av.EOFError(0, "nothing came")


def test_an_empty_name_is_not_this_folder() -> None:
    with pytest.raises(InputError, match="an empty name"):
        open_video("")
