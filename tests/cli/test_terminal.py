"""What is printed: nothing in it is obeyed, and nobody need read it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_videos import write_video

from threedcseg.cli.main import main
from threedcseg.cli.terminal import bare, escaped, plain_streams

COMMAND = [sys.executable, "-m", "threedcseg.cli.main"]
posix = pytest.mark.skipif(sys.platform == "win32", reason="names and pipes of POSIX")


def test_what_a_terminal_obeys_is_shown():
    text = "a\x1b[2J\x07\x9b31m\x7f\u202eb\r\tü\n"
    assert escaped(text) == "a\\x1b[2J\\x07\\x9b31m\\x7f\\u202eb\\r\tü\n"


def test_within_a_command_all_that_is_printed_is_escaped(capsys):
    with plain_streams():
        print("one\x1b[31m", end="\r")
        print("two\x1b[31m", file=sys.stderr)
        print("bar\x1b[31m", file=bare(sys.stderr))
    out, err = capsys.readouterr()
    assert (out, err) == ("one\\x1b[31m\r", "two\\x1b[31m\nbar\x1b[31m\n")


@posix
@pytest.mark.parametrize(
    "words",
    [
        ["segment", "{}.mp4", "-o", "out"],
        ["segment", "--manifest", "{}", "-o", "out"],
        ["evaluate", "{}", "{}"],
        ["evaluate", "--model", "{}", "--data", "{}"],
        ["train", "--config", "{}", "--dry-run"],
        ["train", "--config", "a", "--set", "{}", "-o", "out"],
        ["data", "check", "{}"],
        ["report", "{}", "-o", "out"],
        ["figure", "{}", "{}", "-o", "a.png"],
        ["average", "{}.safetensors", "-o", "out"],
        ["convert", "{}", "-o", "out.safetensors"],
        ["export", "{}", "-o", "out.onnx"],
        ["benchmark", "{}"],
        ["{}"],
    ],
    ids=lambda words: " ".join(words),
)
def test_no_command_prints_what_a_terminal_obeys(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([word.format("a\x1b[31m\x07\nerror: b\r") for word in words]) == 2
    out, err = capsys.readouterr()
    *_, last = err.splitlines()
    assert out == "" and last.startswith("error: ")
    assert not any(line.startswith("error: b") for line in err.splitlines())
    assert not set(err) & set(map(chr, [*range(10), *range(11, 32), 127]))


@pytest.fixture(scope="module")
def two_videos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for name in ("one.mp4", "two.mp4"):
        write_video(folder / name, list(rng.integers(0, 255, (3, 32, 48, 3), np.uint8)))
    return folder


@posix
@pytest.mark.parametrize("closed", ["1", "2", "pipe"])
def test_the_work_is_done_though_nobody_reads(two_videos, tmp_path, closed):
    """Standard output or error closed, or a pipe whose reader has gone."""
    names = [str(two_videos / name) for name in ("one.mp4", "two.mp4")]
    words = [*COMMAND, "segment", *names, "-o", str(tmp_path / "out"), "--short-edge", "32"]
    into, out = os.pipe()
    os.close(into)
    if closed == "pipe":
        done = subprocess.run(words, stdout=out, stderr=subprocess.PIPE)
    else:
        shell = ["sh", "-c", f'exec "$@" {closed}>&-', "sh"]
        done = subprocess.run([*shell, *words], capture_output=True)
    os.close(out)
    assert done.returncode == 0, done.stderr.decode()
    assert b"rror" not in done.stderr and b"Traceback" not in done.stderr
    for name in ("one", "two"):
        assert (tmp_path / "out" / name / "3dcseg.json").is_file()
        assert len(list((tmp_path / "out" / name).glob("*.png"))) == 3


@posix
def test_messages_are_not_in_the_masks_where_standard_error_is_closed(two_videos):
    words = [*COMMAND, "segment", str(two_videos / "one.mp4"), "-o", "-", "--short-edge", "32"]
    shell = ["sh", "-c", 'exec "$@" 2>&-', "sh"]
    masks = subprocess.run([*shell, *words], capture_output=True).stdout
    head, _, frames = masks.partition(b"\n")
    assert head.startswith(b"YUV4MPEG2 W48 H32 ")
    assert len(frames) == 3 * (len(b"FRAME\n") + 32 * 48)
