import dataclasses
import json
import math
import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from patience import until
from tiny_recipes import CPU, losses, network, recipe
from torch import nn

from threedcseg.errors import InputError
from threedcseg.models.network import SegmentationNetwork
from threedcseg.training import loop
from threedcseg.training.clips.dataset import ClipDataset
from threedcseg.training.clips.sources import clip_files, stage_clips
from threedcseg.training.distributed import World
from threedcseg.training.loop import clips_at_once, fit, freeze_batch_norm, learning_rate
from threedcseg.training.recipe import Source, Stage


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

    with pytest.raises(InputError, match="loss is nan at step 4 of stage 'motion'") as error:
        fit(recipe(tiny_data), model, tmp_path, device=CPU, workers=0, log=poison)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4
    clips = stage_clips(recipe(tiny_data), recipe(tiny_data).stages[1], seed=1)
    for number in (0, 1):  # both clips of the batch: the fault is the network's
        files = ", ".join(str(path) for path in clip_files(clips, number))
        assert f"clip {number} of {files}" in str(error.value)
    assert str(tmp_path / "checkpoint.pt") in str(error.value)


class Brightest(SegmentationNetwork):
    """Has no finite logits for clips as bright as those of a given source."""

    def forward(self, clip):
        logits = super().forward(clip)
        return logits / (clip.mean(dim=(1, 2, 3, 4), keepdim=True) < 0.9)


def test_the_one_clip_that_is_at_fault_is_named(tiny_data, tmp_path):
    white = tmp_path / "white"
    for kind, value in (("images", 255), ("masks", 255)):
        (white / kind).mkdir(parents=True)
        cv2.imwrite(str(white / kind / "only.png"), np.full((48, 80), value, np.uint8))
    stage = recipe(tiny_data).stages[0]
    dull = dataclasses.replace(stage.augmentation, brightness=0, contrast=0, gray=0, saturation=0)
    sources = (stage.sources[0], Source("stills", str(white), weight=0.2))
    stage = dataclasses.replace(stage, sources=sources, steps=50, augmentation=dull)
    model = network()
    model.__class__ = Brightest
    with pytest.raises(InputError, match="loss is nan") as error:
        fit(recipe(tiny_data, stages=(stage,)), model, tmp_path / "run", device=CPU, workers=0)
    assert str(white / "images" / "only.png") in str(error.value)
    assert str(tiny_data) not in str(error.value)


def test_a_gradient_that_is_not_a_number_stops_the_run(tiny_data, tmp_path):
    model = network()
    model.decoder.head.conv.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(InputError, match=r"gradient is (nan|inf) at step 0"):
        fit(recipe(tiny_data), model, tmp_path, device=CPU, workers=0)


def test_parts_of_a_batch_add_up_to_the_batch(tiny_data, tmp_path):
    """Cross-entropy is a mean over pixels, so the mean over two halves is that of the whole."""
    whole: list[dict] = []
    parts: list[dict] = []
    once, twice = (recipe(tiny_data, loss={"cross_entropy": 1.0}, accumulate=n) for n in (1, 2))
    fit(once, network(), tmp_path / "a", device=CPU, workers=0, log=whole.append)
    fit(twice, network(), tmp_path / "b", device=CPU, workers=0, log=parts.append)
    assert losses(parts) == pytest.approx(losses(whole), abs=1e-5)
    assert [r["clips"] for r in parts] == [2] * 10


def test_a_batch_that_cannot_be_shared_is_refused_at_the_start(tiny_data, tmp_path):
    wrong = recipe(tiny_data, accumulate=4)
    with pytest.raises(InputError, match=r"batch_size 2 cannot be split evenly .* multiple of 4"):
        fit(wrong, network(), tmp_path, device=CPU, workers=0)
    stage = dataclasses.replace(wrong.stages[0], batch_size=24)
    assert clips_at_once(wrong, stage, World(size=3)) == 2


def test_processes_draw_each_clip_of_a_batch_once(tiny_data, tmp_path):
    """What ranks 0 and 1 of a job would draw is, together, what one process draws."""
    drawn: list[int] = []

    class Noted(ClipDataset):
        def __getitem__(self, number):
            drawn.append(number)
            return super().__getitem__(number)

    given = recipe(tiny_data)
    stage = dataclasses.replace(given.stages[1], batch_size=4)
    clips = stage_clips(given, stage, seed=1)
    clips.__class__ = Noted
    batches = []
    for rank in range(2):
        drawn.clear()
        for _ in loop._batches(clips, given, stage, 1, 0, World(rank, 2), CPU):
            pass
        assert len(drawn) == 10  # five steps are left
        batches.append([drawn[i : i + 2] for i in range(0, 10, 2)])
    assert [sorted(a + b) for a, b in zip(*batches, strict=True)] == [
        list(range(n, n + 4)) for n in range(4, 24, 4)
    ]
    assert loop._numbers(stage, 1, World(1, 2)) == range(5, 8, 2)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains_and_resumes(tiny_data, tmp_path, precision):
    records: list[dict] = []
    stage = dataclasses.replace(
        recipe(tiny_data).stages[1], steps=4, size=(96, 64), clip_length=1, schedule="constant"
    )
    half = recipe(tiny_data, stages=(stage,), precision=precision)
    model = fit(half, network(), tmp_path / "a", device=CPU, workers=0, log=records.append)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert losses(records)[1] == pytest.approx(math.log(2), abs=0.05)
    short = recipe(tiny_data, stages=(dataclasses.replace(stage, steps=2),), precision=precision)
    fit(short, network(), tmp_path / "b", device=CPU, workers=0)
    scaler = torch.load(tmp_path / "b" / "checkpoint.pt", weights_only=True)["scaler"]
    assert (scaler != {}) == (precision == "float16")
    again: list[dict] = []
    fit(half, network(), tmp_path / "b", device=CPU, workers=0, log=again.append)
    assert losses(again).items() <= losses(records).items()


def test_clips_for_which_bfloat16_goes_wrong_are_refused(tiny_data, tmp_path):
    with pytest.raises(InputError, match="96 rows"):
        fit(recipe(tiny_data, precision="bfloat16"), network(), tmp_path, device=CPU, workers=0)


def test_gradient_checkpointing_changes_nothing(tiny_data, tmp_path):
    logs: list[dict[int, float]] = []
    answers: list[torch.Tensor] = []
    for on in (False, True):
        records: list[dict] = []
        trained = fit(
            recipe(tiny_data, gradient_checkpointing=on, batch_norm="trained"),
            network(),
            tmp_path / str(on),
            device=CPU,
            workers=0,
            log=records.append,
        )
        logs.append(losses(records))
        with torch.inference_mode():
            answers.append(trained.eval()(torch.full((1, 3, 4, 32, 64), 0.5)))
    assert logs[0] == logs[1]
    assert torch.equal(*answers)
    states = [
        torch.load(tmp_path / str(on) / "checkpoint.pt", weights_only=True)["network"]
        for on in (False, True)
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_missing_data_of_a_later_stage_is_told_at_the_start(tiny_data, tmp_path):
    given = recipe(tiny_data)
    later = dataclasses.replace(given.stages[1], sources=(Source("davis16", "nowhere"),))
    records: list[dict] = []
    with pytest.raises(InputError, match="nowhere: no such folder"):
        fit(
            recipe(tiny_data, stages=(given.stages[0], later)),
            network(),
            tmp_path,
            device=CPU,
            workers=0,
            log=records.append,
        )
    assert records == []


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
    stage = Stage("x", (Source("stills", "."),), 100, 1, (32, 32), 1.0, warmup=10)
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
validation: {{root: davis, every: 10, settings: {{short_edge: 32}}}}
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
    until(lambda: (out / "checkpoint.pt").exists() or process.poll() is not None)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert start(out).wait() == 0
    assert losses(records(out)) == losses(records(tmp_path / "whole"))
    assert (out / "model.safetensors").exists()
    assert any(r["event"] == "validation" for r in records(out))
