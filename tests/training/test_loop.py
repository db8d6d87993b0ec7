import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from threedcseg.datasets.synthesis import Motion
from threedcseg.errors import InputError
from threedcseg.models import create_model
from threedcseg.training.loop import fit, freeze_batch_norm, learning_rate
from threedcseg.training.recipe import Recipe, Source, Stage

CPU = torch.device("cpu")


def recipe(data: Path, **changes) -> Recipe:
    video = Source("video", "davis")
    stills = Source("stills", "stills", motion=Motion(shift=0.1), separate=0.5)
    stages = (
        Stage("stills", (stills,), 4, 2, (32, 64), 1e-3, clip_length=1, warmup=2),
        Stage("motion", (video, stills), 6, 2, (32, 64), 1e-3, clip_length=4),
    )
    values = Recipe(
        model={"name": "compact", "width": "lite0", "channels": 8},
        stages=stages,
        data=str(data),
        imagenet=False,
        moving_average=0.9,
        checkpoint_every=3,
    )
    return dataclasses.replace(values, **changes)


def network() -> nn.Module:
    torch.manual_seed(0)
    return create_model("compact", width="lite0", channels=8)


def losses(records: list[dict]) -> dict[int, float]:
    return {r["step"]: r["loss"] for r in records if r["event"] == "step"}


def test_a_run_broken_off_anywhere_goes_on_with_the_same_losses(tiny_data, tmp_path):
    whole: list[dict] = []
    model = fit(
        recipe(tiny_data), network(), tmp_path / "a", device=CPU, workers=0, log=whole.append
    )

    class Stop(Exception):
        pass

    broken: list[dict] = []

    def stop_at(step):
        def log(record):
            broken.append(record)
            if record["step"] == step and record["event"] == "step":
                raise Stop

        return log

    for step in (2, 5, 8):  # in the first stage, after a checkpoint, in the second stage
        with pytest.raises(Stop):
            fit(
                recipe(tiny_data),
                network(),
                tmp_path / "b",
                device=CPU,
                workers=0,
                log=stop_at(step),
            )
    again = fit(
        recipe(tiny_data), network(), tmp_path / "b", device=CPU, workers=0, log=broken.append
    )
    assert losses(broken) == losses(whole)
    for one, other in zip(model.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_training_lowers_the_loss(tiny_data, tmp_path):
    records: list[dict] = []
    stages = (dataclasses.replace(recipe(tiny_data).stages[1], steps=30, learning_rate=3e-3),)
    fit(
        recipe(tiny_data, stages=stages),
        network(),
        tmp_path,
        device=CPU,
        workers=0,
        log=records.append,
    )
    values = list(losses(records).values())
    assert sum(values[-5:]) < 0.8 * sum(values[:5])


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_checkpoint(tiny_data, tmp_path):
    model = network()

    def poison(record):
        if record["step"] == 4:
            with torch.no_grad():
                model.decoder.head.conv.weight.fill_(float("nan"))

    with pytest.raises(InputError, match="loss is nan at step 4 of stage 'motion'"):
        fit(recipe(tiny_data), model, tmp_path, device=CPU, workers=0, log=poison)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4


def test_a_checkpoint_of_another_model_is_refused(tiny_data, tmp_path):
    stage = dataclasses.replace(recipe(tiny_data).stages[0], steps=1)
    fit(recipe(tiny_data, stages=(stage,)), network(), tmp_path, device=CPU, workers=0)
    other = recipe(tiny_data, model={"name": "compact", "width": "lite1"})
    with pytest.raises(InputError, match="another model"):
        fit(other, network(), tmp_path, device=CPU, workers=0)


def test_a_damaged_checkpoint_is_named(tiny_data, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"no such thing")
    with pytest.raises(InputError, match=r"checkpoint\.pt: damaged"):
        fit(recipe(tiny_data), network(), tmp_path, device=CPU, workers=0)


def test_learning_rates():
    stage = Stage("x", (), 100, 1, (32, 32), 1.0, warmup=10)
    assert learning_rate(stage, 0) == pytest.approx(0.1)
    assert learning_rate(stage, 10) == pytest.approx(1.0)
    assert learning_rate(stage, 55) == pytest.approx(0.5)
    assert learning_rate(stage, 99) < 0.001
    paper = dataclasses.replace(stage, schedule="exponential", decay=0.5, decay_steps=40, warmup=0)
    assert [learning_rate(paper, step) for step in (0, 39, 40, 80)] == [1, 1, 0.5, 0.25]


@pytest.mark.parametrize(
    ("mode", "statistics", "affine"),
    [
        ("trained", True, True),
        ("frozen-statistics", False, True),
        ("frozen-affine", True, False),
        ("frozen", False, False),
    ],
)
def test_batch_norms_freeze_by_part(mode, statistics, affine):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    freeze_batch_norm(model, mode)
    norm = model[1]
    before = norm.running_mean.clone()
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    assert (not torch.equal(norm.running_mean, before)) == statistics
    assert (norm.weight.grad is not None) == affine


@pytest.mark.slow
def test_kill_9_and_restart_on_the_command_line(tiny_data, tmp_path):
    text = f"""
model: {{name: compact, width: lite0, channels: 8}}
data: {tiny_data}
imagenet: false
moving_average: 0.9
checkpoint_every: 2
validation: {{root: davis, every: 10}}
stages:
  - name: motion
    sources: [{{kind: video, root: davis}}, {{kind: stills, root: stills}}]
    clip_length: 4
    size: [32, 64]
    batch_size: 2
    steps: 20
    learning_rate: 1.0e-3
"""
    config = tmp_path / "recipe.yaml"
    config.write_text(text)

    def start(out):
        command = [sys.executable, "-m", "threedcseg.cli.main", "train", "--config", str(config)]
        return subprocess.Popen([*command, "-o", str(out)], stdout=subprocess.DEVNULL)

    def records(out):
        lines = (out / "log.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    assert start(tmp_path / "whole").wait() == 0
    out = tmp_path / "killed"
    process = start(out)
    while not (out / "checkpoint.pt").exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert start(out).wait() == 0
    assert losses(records(out)) == losses(records(tmp_path / "whole"))
    assert (out / "model.safetensors").exists()
    assert any(r["event"] == "validation" for r in records(out))
