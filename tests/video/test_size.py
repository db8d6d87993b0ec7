"""Frames that are too large are refused by their headers; a limit that is raised lets them in."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from made_videos import gray_frames, write_video
from PIL import Image

from threedcseg.datasets.masks import read_labels
from threedcseg.errors import InputError
from threedcseg.evaluation.reading import read_values
from threedcseg.video.images import read_image
from threedcseg.video.live import LiveSource
from threedcseg.video.pipe import RawFormat
from threedcseg.video.reader import open_video
from threedcseg.video.size import MAX_PIXELS, open_image


def write_bomb(path: Path, width: int, height: int) -> Path:
    """A gray PNG of few bytes, all black."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + crc

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    path.write_bytes(start + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX accounting of memory")
def test_three_large_pictures_are_refused_before_they_take_memory(tmp_path: Path) -> None:
    for number in range(3):
        write_bomb(tmp_path / f"{number}.png", 13000, 13000)
    program = """if True:
        import resource, sys
        from threedcseg.video.reader import open_video
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            open_video(sys.argv[1])
        except ValueError as error:
            print(error)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    message, grown = done.stdout.splitlines()
    assert "0.png is 13000x13000" in message and "GB of memory" in message
    assert "--max-pixels 169000000" in message
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(grown) * unit < 50_000_000 < 13000 * 13000


def test_a_limit_that_is_raised(tmp_path: Path) -> None:
    Image.fromarray(gray_frames(1)[0]).save(tmp_path / "0.png")
    (tmp_path / "frames").mkdir()
    Image.fromarray(gray_frames(1)[0]).save(tmp_path / "frames" / "0.png")
    images = [Image.fromarray(image) for image in gray_frames(3)]
    images[0].save(tmp_path / "a.webp", save_all=True, append_images=images[1:])
    write_video(tmp_path / "a.mp4", gray_frames(3))
    for name in ("0.png", "frames", "a.webp", "a.mp4"):
        with pytest.raises(InputError, match=r"is 64x48, .* --max-pixels 3072"):
            open_video(tmp_path / name, max_pixels=3071)
        with open_video(tmp_path / name, max_pixels=3072) as video:
            assert list(video)


def test_what_pillow_would_refuse_is_read_where_it_is_allowed(tmp_path: Path) -> None:
    path = write_bomb(tmp_path / "long.png", 200_000_000 // 20, 20)
    for read in (read_image, read_labels, read_values):
        with pytest.raises(InputError, match="is 10000000x20"):
            read(path)
    assert open_image(path, 200_000_000).size == (10_000_000, 20)


def test_raw_frames_on_a_pipe() -> None:
    with pytest.raises(InputError, match="99999x99999"):
        LiveSource("-", raw=RawFormat.parse("99999x99999"))
    assert MAX_PIXELS < 13000 * 13000


def test_edits_without_end(tmp_path: Path) -> None:
    """A track whose list shows its frames thousands of times."""
    path = write_video(tmp_path / "a.mp4", gray_frames(24))
    data = path.read_bytes()
    place = data.index(b"elst") - 4
    edts = data.index(b"edts") - 4
    entry = data[place + 16 : place + 28]
    old = int.from_bytes(data[place : place + 4], "big")
    for count, refused in ((1000, False), (5000, True)):
        elst = struct.pack(">I4sII", 16 + 12 * count, b"elst", 0, count) + entry * count
        grown = bytearray(data[:place] + elst + data[place + old :])
        more = len(elst) - old
        for box in (edts, data.index(b"trak") - 4, data.index(b"moov") - 4):
            length = int.from_bytes(grown[box : box + 4], "big") + more
            grown[box : box + 4] = length.to_bytes(4, "big")
        (tmp_path / "edits.mp4").write_bytes(grown)
        if refused:
            with pytest.raises(InputError, match="a list of 5000 edits, expected at most 1000"):
                open_video(tmp_path / "edits.mp4")
        else:
            open_video(tmp_path / "edits.mp4")
