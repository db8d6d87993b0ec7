"""`3dcseg segment` killed at any moment: nothing partial under a final name, the next run finishes.

A process that has imported everything forks the runs, since starting Python takes longer than they.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import cv2
import pytest
import torch
from made_videos import noisy_frames, write_video

from threedcseg.models import create_model
from threedcseg.models.weights import save_weights
from threedcseg.outputs.record import RECORD_NAME
from threedcseg.video.reader import open_video

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes")

ROUNDS = 4
SIGNALS = [int(signal.SIGINT), int(signal.SIGTERM), int(getattr(signal, "SIGKILL", 9))]
VIDEOS = ("overlay.mp4", "alpha.mov", "alpha.webm")
FINAL = {*VIDEOS, "coco.json", "cvat.xml", "boxes.csv", RECORD_NAME}
WRITTEN = "masks,palette,overlay,alpha.mov,alpha.webm,coco,cvat,boxes"

FORKS = """
import os, signal, sys, time
import pycocotools.mask, threedcseg.cli.progress, threedcseg.cli.segment
import threedcseg.segmentation.video, threedcseg.models, threedcseg.video.live
from threedcseg.cli.main import main

frames, *words = sys.argv[1:]

def begin():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(frames, os.O_RDONLY), 0)
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            status = main(["segment", *words])
        except KeyboardInterrupt:
            status = 130  # before it began
        except BaseException as error:
            print(f"Traceback: {error!r}", file=sys.stderr)
            status = 99
        sys.stdout.flush()
        os._exit(status)
    return pid

start = time.monotonic()
os.waitpid(begin(), 0)
whole = time.monotonic() - start
print("status 0", flush=True)
for line in sys.stdin:  # a moment, as a share of a whole run, and a signal
    share, number = line.split()
    pid = begin()
    if int(number):
        time.sleep(float(share) * whole)
        os.kill(pid, int(number))
    _, status = os.waitpid(pid, 0)
    print("status", os.waitstatus_to_exitcode(status), flush=True)
"""


def check(folder: Path) -> bool:
    """What is there under its final name is whole; returns whether the run is finished."""
    there = {path.name for path in folder.iterdir() if path.suffix != ".png"}
    counts = {}
    for name in there & set(VIDEOS):
        with open_video(folder / name) as video:
            counts[name] = sum(1 for _ in video)  # raises where it is cut short
    if "coco.json" in there:
        counts["coco.json"] = len(json.loads((folder / "coco.json").read_text())["images"])
    if "cvat.xml" in there:
        size = ElementTree.parse(folder / "cvat.xml").getroot().find("meta/task/size")
        counts["cvat.xml"] = int(size.text)
    for name in ("", "palette"):
        masks = list((folder / name).glob("[!.]*.png"))
        assert all(cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is not None for path in masks)
        counts[name] = len(masks)
    if RECORD_NAME not in there:
        return False
    assert there == {*FINAL, "palette"}
    record = json.loads((folder / RECORD_NAME).read_text())
    assert set(counts.values()) == {record["num_frames"]}, counts
    return True


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "live"])
def test_killed_at_twelve_moments(tmp_path, kind):
    torch.manual_seed(0)
    weights = tmp_path / "tiny.safetensors"
    save_weights(weights, create_model("compact", width="lite0", channels=8).eval())
    images = noisy_frames(20)
    source = write_video(tmp_path / "noise.mp4", images, audio="aac")
    before = source.read_bytes()
    raw = tmp_path / "raw"
    raw.write_bytes(b"".join(image.tobytes() for image in images))
    out = tmp_path / "out"
    given = [str(source)] if kind == "file" else ["-", "--size", "64x48"]
    # Each run is to write everything, also where an earlier one has come to its end.
    options = ["--model", str(weights), "--short-edge", "32", "--write", WRITTEN, "--redo"]
    words = [*given, "-o", str(out), *options]
    folder = out / ("noise" if kind == "file" else "stdin")
    log = tmp_path / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-c", FORKS, str(raw), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as forks,
    ):
        assert read_status(forks) == 0 and check(folder)
        for number in range(3 * ROUNDS):
            share = 1.1 * (number + 0.5) / (3 * ROUNDS)
            forks.stdin.write(f"{share} {SIGNALS[number % 3]}\n")
            forks.stdin.flush()
            assert read_status(forks) in (0, 2, 130, -signal.SIGKILL, -signal.SIGTERM)
            check(folder)
        forks.stdin.write("0 0\n")  # left in peace
        forks.stdin.close()
        assert read_status(forks) == 0 and check(folder)
    assert "Traceback" not in log.read_text()
    assert source.read_bytes() == before


def read_status(forks: subprocess.Popen[str]) -> int:
    """That of the next run to end; runs print lines of their own."""
    for line in forks.stdout:
        if line.startswith("status "):
            return int(line.split()[1])
    raise AssertionError("the forking process has ended")
