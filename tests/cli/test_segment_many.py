"""`3dcseg segment --manifest`: many videos, shared among processes, each done once."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from made_videos import gray_frames, write_video
from patience import until

from threedcseg.cli.main import main
from threedcseg.models import create_model
from threedcseg.models.weights import save_weights
from threedcseg.outputs.record import RunRecord
from threedcseg.outputs.result_folder import claimed_folder


@pytest.fixture
def words(tmp_path) -> list[str]:
    """Arguments of `3dcseg` for a list of five videos of 1 to 5 frames, and a tiny network."""
    torch.manual_seed(0)
    weights = tmp_path / "tiny.safetensors"
    save_weights(weights, create_model("compact", width="lite0", channels=8).eval())
    (tmp_path / "in").mkdir()
    for count in range(1, 6):
        write_video(tmp_path / "in" / f"{count}.mp4", gray_frames(count, 32, 48))
    (tmp_path / "list.txt").write_text("".join(f"in/{count}.mp4\n" for count in range(1, 6)))
    words = ["segment", "--manifest", str(tmp_path / "list.txt"), "-o", str(tmp_path / "out")]
    return [*words, "--model", str(weights), "--short-edge", "32", "--device", "cpu"]


def finished(out: Path) -> dict[str, int]:
    """Frames by video, of those with a completion record whose masks are all there."""
    found = {}
    for folder in out.iterdir():
        record = RunRecord.read(folder)
        if record is not None:
            assert len(list(folder.glob("*.png"))) == record.num_frames
            found[folder.name] = record.num_frames
    return found


ALL = {str(count): count for count in range(1, 6)}


def test_shards_share_a_list_and_do_nothing_twice(words, tmp_path, capsys):
    assert main([*words, "--shard", "1/2"]) == 0
    assert finished(tmp_path / "out") == {"1": 1, "3": 3, "5": 5}
    assert main([*words, "--shard", "2/2"]) == 0
    assert finished(tmp_path / "out") == ALL
    capsys.readouterr()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    for shard in ("1/2", "2/2", "1/1"):
        assert main([*words, "--shard", shard]) == 0
    printed, errors = capsys.readouterr()
    assert printed == ""
    assert "shard 1/1: 0 done, 5 done before" in errors
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_other_settings_and_outputs_are_done_anew(words, tmp_path, capsys):
    assert main(words) == 0
    assert main([*words, "--write", "probabilities"]) == 0
    assert len(list((tmp_path / "out" / "5" / "probabilities").glob("*.png"))) == 5
    assert len(list((tmp_path / "out" / "5").glob("*.png"))) == 5  # they stay
    assert main([*words, "--probabilities", "--threshold", "0.4"]) == 0
    assert main([*words, "--redo"]) == 0
    assert capsys.readouterr().err.count("5 done, 0 done before") == 4


def test_without_a_list_it_is_the_same(words, tmp_path, capsys):
    """A batch of a folder goes on after a bad video, and is not done twice."""
    options = words[words.index("-o") :]
    bad = tmp_path / "in" / "2.mp4"
    bad.write_bytes(b"no video")
    assert main(["segment", str(tmp_path / "in"), *options]) == 2
    printed, errors = capsys.readouterr()
    assert len(printed.splitlines()) == 4
    *_, said, failed = errors.splitlines()
    assert said == "4 done, 0 done before, 1 failed" and failed.startswith(f"  failed: {bad} ")
    assert finished(tmp_path / "out").keys() == {"1", "3", "4", "5"}
    assert main(["segment", str(tmp_path / "in"), *options]) == 2
    printed, errors = capsys.readouterr()
    assert printed.count("done before (--redo does it again)") == 4
    assert "0 done, 4 done before, 1 failed" in errors
    assert main(words) == 2
    assert "0 done, 4 done before, 1 failed" in capsys.readouterr().err


def test_a_run_leaves_a_folder_that_is_claimed_alone(words, tmp_path, capsys):
    options = words[words.index("-o") :]
    with claimed_folder(tmp_path / "out" / "1"):
        assert main(["segment", str(tmp_path / "in" / "1.mp4"), *options]) == 2
        assert "another run is writing into" in capsys.readouterr().err
        assert not (tmp_path / "out" / "1").exists()
        assert main(words) == 0  # whoever holds it does it
        assert "4 done, 0 done before, 1 being done by another process" in capsys.readouterr().err
    assert main(["segment", str(tmp_path / "in" / "1.mp4"), *options]) == 0
    assert finished(tmp_path / "out") == ALL


def test_a_video_that_cannot_be_read_leaves_the_others_alone(words, tmp_path, capsys):
    video = tmp_path / "in" / "2.mp4"
    whole = video.read_bytes()
    video.write_bytes(b"no video")
    assert main(words) == 2
    errors = capsys.readouterr().err
    assert len(re.findall(rf"^error: {video}", errors, re.MULTILINE)) == 1
    assert "shard 1/1: 4 done, 0 done before, 1 failed" in errors
    assert finished(tmp_path / "out").keys() == {"1", "3", "4", "5"}
    video.write_bytes(whole)
    assert main(words) == 0
    assert finished(tmp_path / "out") == ALL
    assert "1 done, 4 done before" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "needle"),
    [
        (["--shard", "3/2"], "shard '3/2': give I/N"),
        (["in.mp4"], "not both"),
    ],
)
def test_options_that_do_not_go_together(words, capsys, options, needle):
    assert main([*words, *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and needle in error


def test_a_shard_is_one_of_a_list(words, tmp_path, capsys):
    assert main(["segment", str(tmp_path / "in"), "-o", str(tmp_path), "--shard", "1/2"]) == 2
    assert "--shard goes with --manifest" in capsys.readouterr().err
    assert main(["segment", "-o", str(tmp_path)]) == 2
    assert "no input given" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_shard_goes_on_where_it_was(words, tmp_path):
    write_video(tmp_path / "in" / "5.mp4", gray_frames(400, 32, 48))
    command = [sys.executable, "-m", "threedcseg.cli.main", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: (tmp_path / "out" / "5" / "00010.png").exists() or process.poll() is not None)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = finished(tmp_path / "out")
    assert done == {"1": 1, "2": 2, "3": 3, "4": 4}
    before = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in done}
    assert main(words) == 0
    assert finished(tmp_path / "out") == {**done, "5": 400}
    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in done} == before


@pytest.mark.slow
def test_torchrun_shares_a_list(words, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = ["--nproc-per-node", "2", "-m", "threedcseg.cli.main", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*torchrun, *command], capture_output=True, text=True, env=environment, check=True
    )
    assert finished(tmp_path / "out") == ALL
    assert "shard 1/2: 3 done" in done.stderr and "shard 2/2: 2 done" in done.stderr
    assert len(re.findall(r"^\d frames of ", done.stdout, re.MULTILINE)) == 5
