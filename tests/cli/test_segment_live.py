"""`3dcseg segment` between pipes, and stopped in the middle.

In this process, with real pipes in the place of its standard input, where a new process (seconds,
to import torch) would show nothing else.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from made_videos import gray_frames, read_all, write_video
from patience import PATIENCE
from served import served

from threedcseg.cli.main import main
from threedcseg.errors import InputError
from threedcseg.inference.settings import Settings
from threedcseg.models import create_model
from threedcseg.models.weights import save_weights
from threedcseg.outputs.formats import FORMATS
from threedcseg.segmentation.video import segment_to_folder
from threedcseg.video.live import LiveSource
from threedcseg.video.pipe import RawFormat

COMMAND = [sys.executable, "-m", "threedcseg.cli.main", "segment"]
FRAME = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (32, 1))[..., None].repeat(3, 2).tobytes()
RAW = ["--size", "48x32"]
VIDEOS = ("overlay.mp4", "alpha.mov")
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and pipes")


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> list[str]:
    """A tiny untrained compact network at a small resolution."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, create_model("compact", width="lite0", channels=8).eval())
    return ["--model", str(path), "--short-edge", "32"]


@contextmanager
def piped_in(data: bytes, keep_open: bool = False) -> Iterator[None]:
    """A pipe as file descriptor 0, through which ``data`` comes."""
    reading, writing = os.pipe()
    before = os.dup(0)
    os.dup2(reading, 0)
    os.close(reading)

    def feed() -> None:
        try:
            with open(writing, "wb", closefd=False) as file:
                file.write(data)
        except BrokenPipeError:
            pass
        if not keep_open:
            os.close(writing)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield
    finally:
        os.dup2(before, 0)  # the last reader is gone: the feeder comes to an end
        os.close(before)
        feeder.join(PATIENCE)
        if keep_open:
            os.close(writing)


def segment(*words: object, data: bytes = b"") -> int:
    with piped_in(data):
        return main(["segment", *map(str, words)])


def check_stopped_run(folder: Path, least: int, most: int) -> None:
    """Everything is whole and tells of the same frames."""
    record = json.loads((folder / "3dcseg.json").read_text())
    count = record["num_frames"]
    assert record["live"]["stopped"] is True and least <= count <= most
    assert record["settings"]["emit"] == "early"
    assert len(list(folder.glob("*.png"))) == count
    for name in VIDEOS:
        with av.open(str(folder / name)) as container:
            assert sum(1 for _ in container.decode(video=0)) == count
    assert len(json.loads((folder / "coco.json").read_text())["images"]) == count
    assert not [p for p in folder.rglob(".*")]


@contextmanager
def signal_when(ready: Callable[[], bool], *numbers: int) -> Iterator[None]:
    """Send this process signals as soon as ``ready``, in the block."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            if ready():
                for number in numbers:
                    os.kill(os.getpid(), number)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def test_raw_in_gray_out(options, capfdbinary):
    assert segment("-", "-o", "-", *RAW, "--pipe-format", "gray", *options, data=FRAME * 21) == 0
    out, err = capfdbinary.readouterr()
    masks = np.frombuffer(out, np.uint8)
    assert masks.size == 21 * 32 * 48 and set(np.unique(masks)) <= {0, 255}
    assert b"21 frames, delay" in err and b"0 dropped" in err


def test_the_background_of_a_live_source_is_blurred(options, tmp_path):
    words = [*RAW, "--write", "cutout", "--background", "blur", "--edges", "matte"]
    assert segment("-", "-o", tmp_path, *words, "--grow", "1", *options, data=12 * FRAME) == 0
    assert len(read_all(tmp_path / "stdin" / "cutout.mp4")) == 12


def test_y4m_out_is_read_by_ffmpeg_and_is_the_masks_of_the_files(options, tmp_path, capfdbinary):
    video = write_video(tmp_path / "clip.mp4", gray_frames(11, 50, 70))
    assert segment(video, "-o", "-", *options) == 0
    out = tmp_path / "masks.y4m"
    out.write_bytes(capfdbinary.readouterr().out)
    assert segment(video, "-o", tmp_path / "out", *options) == 0
    with av.open(str(out)) as container:
        pictures = [f.to_ndarray(format="gray") for f in container.decode(video=0)]
    files = sorted((tmp_path / "out" / "clip").glob("*.png"))
    assert len(pictures) == len(files) == 11
    for picture, file in zip(pictures, files, strict=True):
        assert (picture == cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)).all()


def test_the_record_of_a_live_run_says_how_it_was_read(options, tmp_path):
    words = [*RAW, "--fps", "30", "--no-deinterlace", "--queue", "3", *options]
    assert segment("-", "-o", tmp_path, *words, data=10 * FRAME) == 0
    record = json.loads((tmp_path / "stdin" / "3dcseg.json").read_text())
    assert record["reading"] == {"fps": "30", "deinterlace": False}
    live = record["live"]
    assert (live["queue"], live["when_behind"], live["pixel_format"]) == (3, "wait", "rgb24")


@pytest.mark.parametrize("to", ["files", "a pipe"])
@pytest.mark.parametrize("source", ["a pipe", "an address"])
def test_quiet_says_nothing(options, tmp_path, capfdbinary, source, to):
    write_video(tmp_path / "a.mp4", gray_frames(9))
    output = "-" if to == "a pipe" else tmp_path / "out"
    with served(tmp_path) as host:
        name = "-" if source == "a pipe" else f"http://{host}/a.mp4"
        raw = RAW if source == "a pipe" else []
        assert segment(name, "-o", output, *raw, *options, "--quiet", data=9 * FRAME) == 0
    out, err = capfdbinary.readouterr()
    assert not err and (out.startswith(b"YUV4MPEG2") if to == "a pipe" else not out)


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_live_run_with_whole_files(options, tmp_path, number):
    folder = tmp_path / "stdin"
    words = ["-", "-o", tmp_path, *RAW, "--write", "masks,overlay,alpha.mov,coco,boxes", *options]
    with (
        piped_in(FRAME * 30, keep_open=True),
        signal_when(lambda: len(list(folder.glob("*.png"))) >= 16, number),
    ):
        assert main(["segment", *map(str, words)]) == 0
    check_stopped_run(folder, 16, 30)


@POSIX
def test_a_second_signal_interrupts_at_once(options, tmp_path):
    folder = tmp_path / "stdin"
    words = ["-", "-o", tmp_path, *RAW, "--write", "masks,overlay,coco,boxes", *options]
    with (
        piped_in(FRAME * 30, keep_open=True),
        signal_when(lambda: any(folder.glob("*.png")), signal.SIGINT, signal.SIGTERM),
    ):
        assert main(["segment", *map(str, words)]) == 130
    assert {p.name for p in folder.iterdir() if p.suffix != ".png"} == {".3dcseg-unfinished"}


def test_stopped_before_the_first_mask_nothing_is_written(tmp_path):
    with piped_in(FRAME * 3), LiveSource("-", raw=RawFormat.parse("48x32")) as source:
        source.stop()  # as a signal does; here at a moment that one hits but rarely
        with pytest.raises(InputError, match="stopped before its first mask"):
            segment_to_folder(source, "stdin", tmp_path, abs, Settings(), write=tuple(FORMATS))
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {".3dcseg-unfinished"}


@POSIX
def test_a_reader_that_goes_away_is_no_error(options):
    """In a process of its own: the end of the interpreter, too, must be silent."""
    words = ["-", "-o", "-", *RAW, *options]
    process = subprocess.Popen(
        [*COMMAND, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdin.write(FRAME * 12)
    process.stdin.flush()
    assert process.stdout.read(9) == b"YUV4MPEG2"
    process.stdout.close()
    _, errors = process.communicate(FRAME * 40, timeout=PATIENCE)
    assert process.returncode == 0 and b"Traceback" not in errors, errors
    assert b"nobody reads" in errors


@pytest.mark.parametrize(
    ("words", "data", "needle"),
    [
        (["-", "-o", "-"], b"", "empty"),
        (["-", "-o", "-"], b"no video " * 9000, "--size"),
        (["-", "-o", "-", "--size", "big"], b"", "WIDTHxHEIGHT"),
        (["-", "dog.mp4", "-o", "x"], b"", "alone"),
        (["-", "-o", "-", "--overlay"], b"", "masks only"),
        (["camera:93", "-o", "x"], b"", "camera:93"),
        (["udp://127.0.0.1:9/?timeout=300000", "-o", "x"], b"", "udp://"),
        (["-", "-o", "-", "--queue", "0"], b"", "queue"),
    ],
)
def test_what_cannot_be_is_one_line(
    options, tmp_path, monkeypatch, capfdbinary, words, data, needle
):
    monkeypatch.chdir(tmp_path)
    assert segment(*words, *options, data=data) == 2
    out, err = capfdbinary.readouterr()
    lines = [line for line in err.decode().splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and needle in lines[0], err
    assert b"Traceback" not in err and not out
    assert not list(Path(tmp_path).rglob("*"))
