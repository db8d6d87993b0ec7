"""`3dcseg segment` between pipes, and stopped in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from made_videos import gray_frames, write_video

from threedcseg.cli.main import main
from threedcseg.models import create_model
from threedcseg.models.weights import save_weights

COMMAND = [sys.executable, "-m", "threedcseg.cli.main", "segment"]
FRAME = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (32, 1))[..., None].repeat(3, 2).tobytes()
RAW = ["--size", "48x32"]


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> list[str]:
    """A tiny untrained compact network at a small resolution."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, create_model("compact", width="lite0", channels=8).eval())
    return ["--model", str(path), "--short-edge", "32"]


def run(words, data=b""):
    return subprocess.run([*COMMAND, *map(str, words)], input=data, capture_output=True, timeout=60)


def test_raw_in_gray_out(options):
    done = run(["-", "-o", "-", *RAW, "--pipe-format", "gray", *options], FRAME * 21)
    assert done.returncode == 0, done.stderr
    masks = np.frombuffer(done.stdout, np.uint8)
    assert masks.size == 21 * 32 * 48 and set(np.unique(masks)) <= {0, 255}
    assert b"21 frames, delay" in done.stderr and b"0 dropped" in done.stderr


def test_y4m_out_is_read_by_ffmpeg_and_is_the_masks_of_the_files(options, tmp_path):
    video = write_video(tmp_path / "clip.mp4", gray_frames(11, 50, 70))
    out = tmp_path / "masks.y4m"
    done = run([video, "-o", "-", *options])
    assert done.returncode == 0, done.stderr
    out.write_bytes(done.stdout)
    assert main(["segment", str(video), "-o", str(tmp_path / "out"), *options]) == 0
    with av.open(str(out)) as container:
        pictures = [f.to_ndarray(format="gray") for f in container.decode(video=0)]
    files = sorted((tmp_path / "out" / "clip").glob("*.png"))
    assert len(pictures) == len(files) == 11
    for picture, file in zip(pictures, files, strict=True):
        assert (picture == cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)).all()


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_live_run_with_whole_files(options, tmp_path, number):
    products = "masks,overlay,alpha.mov,coco,boxes"
    words = ["-", "-o", tmp_path, *RAW, "--write", products, *options]
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdin.write(FRAME * 30)
    process.stdin.flush()  # and it stays open: nothing more arrives
    folder = tmp_path / "stdin"
    deadline = time.monotonic() + 40
    while len(list(folder.glob("*.png"))) < 16:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    process.wait(20)
    assert process.returncode == 0, process.stderr.read()
    process.stdin.close()
    process.stderr.close()
    record = json.loads((folder / "3dcseg.json").read_text())
    count = record["num_frames"]
    assert record["stopped"] is True and 16 <= count <= 30
    assert record["settings"]["emit"] == "early"
    assert len(list(folder.glob("*.png"))) == count
    for name in ("overlay.mp4", "alpha.mov"):
        with av.open(str(folder / name)) as container:
            assert sum(1 for _ in container.decode(video=0)) == count
    assert len(json.loads((folder / "coco.json").read_text())["images"]) == count
    assert not [p for p in folder.rglob(".*")]


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX pipes")
def test_a_reader_that_goes_away_is_no_error(options):
    words = ["-", "-o", "-", *RAW, *options]
    process = subprocess.Popen(
        [*COMMAND, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdin.write(FRAME * 12)
    process.stdin.flush()
    assert process.stdout.read(9) == b"YUV4MPEG2"
    process.stdout.close()
    _, errors = process.communicate(FRAME * 40, timeout=30)
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
def test_what_cannot_be_is_one_line(options, tmp_path, monkeypatch, words, data, needle):
    monkeypatch.chdir(tmp_path)
    done = run([*words, *options], data)
    lines = [line for line in done.stderr.decode().splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(lines) == 1 and needle in lines[0], done.stderr
    assert b"Traceback" not in done.stderr and not done.stdout
    assert not list(Path(tmp_path).rglob("*"))
