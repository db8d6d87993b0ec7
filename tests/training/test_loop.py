import dataclasses
import json
import math
import os
import signal
import subprocess
import sys

import pytest
import torch
from patience import until
from tiny_recipes import CPU, losses, network, recipe, train_tiny

from threedcseg.errors import InputError
from threedcseg.training.batch import Batch
from threedcseg.training.clips.sources import stage_clips
from threedcseg.training.loop import fit
from threedcseg.training.recipe import Source


def test_a_run_broken_off_anywhere_goes_on_with_the_same_losses(tiny_data, tmp_path):
    whole: list[dict] = []
    model = train_tiny(recipe(tiny_data), network(), tmp_path / "a", log=whole.append)

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
            train_tiny(
                recipe(tiny_data),
                network(),
                tmp_path / "b",
                log=stop_at(step),
            )
    again = train_tiny(recipe(tiny_data), network(), tmp_path / "b", log=broken.append)
    assert losses(broken) == losses(whole)
    for one, other in zip(model.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_training_lowers_the_loss(tiny_data, tmp_path):
    records: list[dict] = []
    stages = (dataclasses.replace(recipe(tiny_data).stages[1], steps=30, learning_rate=3e-3),)
    train_tiny(
        recipe(tiny_data, stages=stages),
        network(),
        tmp_path,
        log=records.append,
    )
    values = list(losses(records).values())
    assert sum(values[-5:]) < 0.8 * sum(values[:5])


def test_encoders_learn_at_a_rate_of_their_own(tiny_data, tmp_path):
    """The first step of Adam moves what has a gradient by the learning rate."""
    stage = dataclasses.replace(
        recipe(tiny_data).stages[1], steps=1, learning_rate=1e-3, rates={"encoder": 0.25}, warmup=0
    )
    given = recipe(tiny_data, stages=(stage,), optimizer="adam", weight_decay=0.0)
    before = {name: p.detach().clone() for name, p in network().named_parameters()}
    after = dict(train_tiny(given, network(), tmp_path).named_parameters())
    for part, rate in (("encoder.", 0.25e-3), ("decoder.", 1e-3)):
        moved = [(after[n] - p).abs().max().item() for n, p in before.items() if n.startswith(part)]
        assert max(moved) == pytest.approx(rate, rel=1e-2)


def test_a_part_at_rate_0_stays_as_it_is_for_that_stage(tiny_data, tmp_path):
    """Its gradients are not even computed; the next stage trains it again."""
    first, second = (
        dataclasses.replace(recipe(tiny_data).stages[1], name=name, steps=2, rates=rates)
        for name, rates in (("frozen", {"encoder": 0.0, "encoder.stem": 0.5}), ("whole", {}))
    )
    before = {name: p.detach().clone() for name, p in network().named_parameters()}
    moved = {}
    for name, stages in (("one", (first,)), ("both", (first, second))):
        given = recipe(tiny_data, stages=stages, moving_average=0.0)
        trained = train_tiny(given, network(), tmp_path / name)
        after = dict(trained.named_parameters())
        moved[name] = {n for n, p in before.items() if not torch.equal(after[n], p)}
        if name == "one":
            assert all(
                (after[n].grad is None) == (n.startswith("encoder.") and "stem" not in n)
                for n in before
            )
    part = {name for name in before if name.startswith("encoder.") and "stem" not in name}
    assert not moved["one"] & part
    assert any("stem" in name for name in moved["one"])
    assert moved["both"] & part


def test_a_rate_for_a_part_that_there_is_not_is_refused(tiny_data, tmp_path):
    stage = dataclasses.replace(recipe(tiny_data).stages[1], rates={"encoder.blocks.99": 0.0})
    with pytest.raises(InputError, match=r"the network has no part 'encoder\.blocks\.99'"):
        train_tiny(recipe(tiny_data, stages=(stage,)), network(), tmp_path)


def test_a_gradient_that_is_not_a_number_stops_the_run(tiny_data, tmp_path):
    model = network()
    model.decoder.head.conv.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(InputError, match=r"gradient is (nan|inf) at step 0"):
        train_tiny(recipe(tiny_data), model, tmp_path)


def test_parts_of_a_batch_add_up_to_the_batch(tiny_data, tmp_path):
    """Cross-entropy is a mean over pixels, so the mean over two halves is that of the whole."""
    whole: list[dict] = []
    parts: list[dict] = []
    once, twice = (recipe(tiny_data, loss={"cross_entropy": 1.0}, accumulate=n) for n in (1, 2))
    train_tiny(once, network(), tmp_path / "a", log=whole.append)
    train_tiny(twice, network(), tmp_path / "b", log=parts.append)
    assert losses(parts) == pytest.approx(losses(whole), abs=1e-5)
    assert [r["clips"] for r in parts] == [2] * 10


def test_the_loop_takes_batches_from_anywhere(tiny_data, tmp_path):
    """Of the same clips it makes the same losses, whoever made them."""
    whole: list[dict] = []
    given = recipe(tiny_data)
    train_tiny(given, network(), tmp_path / "a", log=whole.append)

    def batches(stage: int, done: int):
        clips = stage_clips(given, given.stages[stage], stage)
        for number in range(2 * done, 2 * given.stages[stage].steps, 2):
            one, other = clips[number], clips[number + 1]
            yield Batch(torch.stack([one[0], other[0]]), torch.stack([one[1], other[1]]), ((), ()))

    again: list[dict] = []
    fit(given, network(), tmp_path / "b", batches, device=CPU, log=again.append)
    assert losses(again) == losses(whole)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains_and_resumes(tiny_data, tmp_path, precision):
    records: list[dict] = []
    stage = dataclasses.replace(
        recipe(tiny_data).stages[1], steps=4, size=(96, 64), clip_length=1, schedule="constant"
    )
    half = recipe(tiny_data, stages=(stage,), precision=precision)
    model = train_tiny(half, network(), tmp_path / "a", log=records.append)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert losses(records)[1] == pytest.approx(math.log(2), abs=0.05)
    short = recipe(tiny_data, stages=(dataclasses.replace(stage, steps=2),), precision=precision)
    train_tiny(short, network(), tmp_path / "b")
    scaler = torch.load(tmp_path / "b" / "checkpoint.pt", weights_only=True)["scaler"]
    assert (scaler != {}) == (precision == "float16")
    again: list[dict] = []
    train_tiny(half, network(), tmp_path / "b", log=again.append)
    assert losses(again).items() <= losses(records).items()


def test_missing_data_of_a_later_stage_is_told_at_the_start(tiny_data, tmp_path):
    given = recipe(tiny_data)
    later = dataclasses.replace(given.stages[1], sources=(Source("davis16", "nowhere"),))
    records: list[dict] = []
    with pytest.raises(InputError, match="nowhere: no such folder"):
        train_tiny(
            recipe(tiny_data, stages=(given.stages[0], later)),
            network(),
            tmp_path,
            log=records.append,
        )
    assert records == []


def test_a_checkpoint_of_another_model_is_refused(tiny_data, tmp_path):
    stage = dataclasses.replace(recipe(tiny_data).stages[0], steps=1)
    train_tiny(recipe(tiny_data, stages=(stage,)), network(), tmp_path)
    other = recipe(tiny_data, model={"name": "compact", "width": "lite1"})
    with pytest.raises(InputError, match="another model"):
        train_tiny(other, network(), tmp_path)


def test_a_damaged_checkpoint_is_named(tiny_data, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"no such thing")
    with pytest.raises(InputError, match=r"checkpoint\.pt: damaged"):
        train_tiny(recipe(tiny_data), network(), tmp_path)


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
    sources: [{{kind: davis16, root: davis}}, {{kind: stills, root: stills}}]
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
