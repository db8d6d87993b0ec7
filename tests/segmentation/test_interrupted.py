"""A full disk, Ctrl-C and kill -9: never a partial file under a final name."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from made_videos import noisy_frames, write_video

from threedcseg.atomic import PART_SUFFIX
from threedcseg.inference.settings import Settings
from threedcseg.outputs.formats import FORMATS
from threedcseg.segmentation.video import segment_video

SETTINGS = Settings(short_edge=48, overlap=1, stride=1, tta=2)
VIDEOS = ["overlay.mp4", "matte.mp4", "cutout.mp4", "alpha.mov", "alpha.webm"]
FINAL = {*VIDEOS, "coco.json", "cvat.xml", "boxes.csv", "3dcseg.json"}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("in") / "noise.mp4", noisy_frames(60), audio="aac")


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".png"}


def test_an_interrupt_leaves_whole_frames_and_no_other_file(source, tmp_path):
    calls = []

    def interrupted(clip):
        calls.append(1)
        if len(calls) == 6:  # each clip is seen twice, once in a mirror
            raise KeyboardInterrupt
        return clip[:, :1] * 20 - 10

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        segment_video(source, out, interrupted, SETTINGS, write=tuple(FORMATS))
    assert files(out) == {".3dcseg-unfinished"}
    assert len(list(out.glob("*.png"))) == len(list((out / "palette").glob("*.png"))) == 14


PROGRAM = """
import resource, sys, time
from pathlib import Path
import threedcseg.cli.segment as command
from threedcseg.cli.main import main
from threedcseg.segmentation.video import segment_video
from threedcseg.inference.settings import Settings

task, source, out, *names = sys.argv[1:]

def network(clip):
    if task == "wait":
        print("computing", flush=True)
        time.sleep(0.2)
    return clip[:, :1] * 20 - 10

def full(args):  # a tiny network instead of a trained one; all else is the command's own
    segment_video(source, args.output, network, Settings(short_edge=48), write=[args.write])

if task == "wait":
    segment_video(source, out, network, Settings(short_edge=48), write=names)
command.run = full
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
for name in names:
    status = main(["segment", source, "-o", f"{out}/{name}", "--write", name])
    print(name, status, file=sys.stderr)
"""


def test_a_full_disk_is_one_line_and_leaves_nothing(source, tmp_path):
    names = ["overlay", "matte", "cutout", "alpha.mov", "alpha.webm", "coco", "cvat"]
    command = [sys.executable, "-c", PROGRAM, "full", str(source), str(tmp_path), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # What the container cannot hold as it is, is told as well.
    lines = [line for line in done.stderr.splitlines() if "encoded anew as" not in line]
    assert [line for line in lines if not line.startswith("error: ")] == [
        f"{name} 2" for name in names
    ]
    assert all("File too large" in line for line in lines[::2]), lines
    for name, line in zip(names, lines[::2], strict=True):  # and names the file, by its final name
        assert f"{tmp_path / name}{os.sep}" in line and PART_SUFFIX not in line, line
    assert files(tmp_path) == {".3dcseg-unfinished"}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_killed_run_leaves_no_final_name_and_the_next_one_clears_up(source, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-c", PROGRAM, "wait", str(source), str(out), *FORMATS]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for _ in range(3):
        assert process.stdout.readline() == "computing\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = files(out)
    assert not left & FINAL
    assert any(name.endswith(".3dcseg-part") for name in left), "or this test proves nothing"
    segment_video(source, out, lambda clip: clip[:, :1] * 20 - 10, SETTINGS, write=["overlay"])
    assert files(out) == {"overlay.mp4", "3dcseg.json"}
