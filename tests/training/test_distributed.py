"""Jobs of several processes: `torchrun` on this machine's CPU, by gloo."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from patience import PATIENCE, until
from talking_processes import leave, talk
from tiny_recipes import losses

from threedcseg.cli.main import main
from threedcseg.training.distributed import World, joined

RECIPE = """
model: {name: compact, width: lite0, channels: 8}
imagenet: false
moving_average: 0.9
checkpoint_every: 5
validation: {root: davis, split: train, every: 10, settings: {short_edge: 32}}
stages:
  - name: motion
    sources: [{kind: davis16, root: davis}, {kind: stills, root: stills}]
    clip_length: 4
    size: [32, 64]
    batch_size: 2
    steps: 20
    learning_rate: 1.0e-3
"""
LEARNING_RATE = 1e-3


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in the processes that `start` makes: the number of threads decides the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def words(tiny_data, tmp_path) -> list[str]:
    """Arguments of `3dcseg train` but for the output folder."""
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    config = ["--config", str(tmp_path / "recipe.yaml"), "--data", str(tiny_data)]
    return ["train", *config, "--device", "cpu", "--workers", "0"]


def start(words: list[str], out: Path, processes: int = 2) -> subprocess.Popen[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = ["--nproc-per-node", str(processes), "-m", "threedcseg.cli.main", *words]
    return subprocess.Popen(
        [*torchrun, *command, "-o", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def read_log(out: Path) -> list[dict]:
    lines = (out / "log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def tensors(out: Path) -> torch.Tensor:
    """All parameters after the last step, in a row."""
    state = torch.load(out / "checkpoint.pt", weights_only=True)["network"]
    return torch.cat([t.flatten() for t in state.values() if t.is_floating_point()])


@pytest.mark.slow
def test_two_processes_train_like_one(words, tmp_path):
    """Two ranks with batch 1, one process with batch 2, and one that accumulates two halves.

    The ranks and the halves agree to the last bit. Against the batch of 2, whose sums are rounded
    otherwise, losses agree to 1e-5. No parameter is further off than a tenth of the way that Adam
    may have moved it (its steps have one size, however small the gradient, so rounding decides
    where that is nearly zero), and all of them together are off by 2 % of the way they moved.
    """
    process = start(words, tmp_path / "ranks")
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    assert printed.count("weights: ") == printed.count("step 20/20") == 1  # one tells
    assert main([*words, "-o", str(tmp_path / "whole")]) == 0
    assert main([*words, "-o", str(tmp_path / "halves"), "--set", "accumulate=2"]) == 0

    ranks, whole, halves = (read_log(tmp_path / n) for n in ("ranks", "whole", "halves"))
    assert losses(ranks) == losses(halves)
    assert torch.equal(tensors(tmp_path / "ranks"), tensors(tmp_path / "halves"))

    assert losses(ranks).keys() == set(range(1, 21))
    assert losses(ranks) == pytest.approx(losses(whole), abs=1e-5)
    difference = tensors(tmp_path / "ranks") - tensors(tmp_path / "whole")
    assert difference.abs().max() < 0.1 * 20 * LEARNING_RATE
    stages = ["--set", "stages.0.steps=1", "--set", "stages.0.learning_rate=0"]
    assert main([*words, "-o", str(tmp_path / "start"), *stages, "--set", "weight_decay=0"]) == 0
    moved = tensors(tmp_path / "whole") - tensors(tmp_path / "start")
    assert difference.norm() < 0.02 * moved.norm()

    # Each rank scored one of the two sequences; the figures are those of one process.
    scored = [[r for r in log if r["event"] == "validation"] for log in (ranks, halves)]
    assert scored[0] == scored[1] and len(scored[0]) == 2


@pytest.mark.slow
def test_a_motion_stream_may_rest_while_stills_are_trained_on(words, tmp_path):
    stills = {
        "name": "stills",
        "sources": [{"kind": "stills", "root": "stills"}],
        "clip_length": 1,
        "size": [32, 64],
        "batch_size": 2,
        "steps": 3,
        "learning_rate": 1e-3,
    }
    recipe = yaml.safe_load(RECIPE)
    recipe["model"]["motion"] = True
    recipe["stages"] = [stills, recipe["stages"][0] | {"steps": 3}]
    recipe["validation"] = None
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    _, errors = (process := start(words, tmp_path / "ranks")).communicate()
    assert process.returncode == 0, errors
    assert main([*words, "-o", str(tmp_path / "halves"), "--set", "accumulate=2"]) == 0
    ranks, halves = (read_log(tmp_path / name) for name in ("ranks", "halves"))
    assert losses(ranks) == losses(halves) and losses(ranks).keys() == set(range(1, 7))
    assert torch.equal(tensors(tmp_path / "ranks"), tensors(tmp_path / "halves"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds ranks in /proc")
@pytest.mark.parametrize("victim", [1])
def test_a_killed_rank_stops_the_job_which_goes_on_later(words, tmp_path, victim):
    words += ["--set", "validation=null", "--set", "stages.0.steps=40"]
    assert main([*words, "-o", str(tmp_path / "whole"), "--set", "accumulate=2"]) == 0
    out = tmp_path / "killed"
    job = start(words, out)
    until(lambda: (out / "checkpoint.pt").exists() or job.poll() is not None)
    assert job.poll() is None
    os.kill(process_of(job.pid, victim), signal.SIGKILL)
    _, errors = job.communicate(timeout=PATIENCE)  # gloo by itself would wait for half an hour
    assert job.returncode != 0
    told = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(told) == 1 and "another process of the job has ended" in told[0], errors
    assert "start the same command again" in told[0]
    assert 5 <= max(losses(read_log(out))) < 40

    again = start(words, out)
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    assert losses(read_log(out)) == losses(read_log(tmp_path / "whole"))
    assert torch.equal(tensors(out), tensors(tmp_path / "whole"))


def process_of(launcher: int, rank: int) -> int:
    """The process of a rank among the children of torchrun's."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    for child in children:
        if f"RANK={rank}" in Path(f"/proc/{child}/environ").read_text().split("\0"):
            return int(child)
    raise AssertionError(f"no rank {rank} among {children}")


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_stops_all_with_one_message(words, tmp_path):
    job = start(
        [*words, "--set", "stages.0.learning_rate=1e30", "--set", "validation=null"], tmp_path
    )
    _, errors = job.communicate()
    told = {line for line in errors.splitlines() if line.startswith("error: ")}
    assert job.returncode != 0
    assert len(told) == 1, errors
    assert re.search(r"(loss|gradient) is -?(nan|inf) at step \d+ of stage 'motion'", told.pop())


def test_the_environment_of_torchrun_is_read(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert World.from_environment() == World(0, 1, 0)
    monkeypatch.setenv("RANK", "5")
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert World.from_environment() == World(0, 1, 0)  # not torchrun's: it says all three
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert World.from_environment() == World(5, 8, 1)
    assert not World.from_environment().writes


def test_one_process_alone_needs_no_others():
    world = World()
    network = torch.nn.Linear(2, 2)
    assert world.ddp(network) is network
    assert world.mean(0.1) == 0.1
    assert world.gather("x") == ["x"]
    with joined(world, torch.device("cpu")), world.no_sync(network):
        assert not torch.distributed.is_initialized()


@pytest.fixture
def meeting_point(monkeypatch):
    """Where processes find each other: a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MASTER_PORT", str(probe.getsockname()[1]))
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")


@pytest.mark.slow
def test_processes_talk(tmp_path, meeting_point):
    torch.multiprocessing.spawn(talk, (str(tmp_path),), nprocs=2)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert (first.pop("own"), second.pop("own")) == (1, 2)
    assert first == second
    assert first == {
        "mean": 0.5,
        "gather": ["rank 0", "rank 1"],
        "agreed": [7, 7],
        "averaged": np.mean([1 + 1, 2 + 2]),
    }


@pytest.mark.slow
def test_a_process_that_went_away_is_told(tmp_path, meeting_point):
    torch.multiprocessing.spawn(leave, (str(tmp_path),), nprocs=2)
    assert "rank 0 of 2: another process" in (tmp_path / "told").read_text()
