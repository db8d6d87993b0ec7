"""Stages whose batches are made on the device, from a recipe to weights."""

import dataclasses
import itertools
import json
import re

import cv2
import made_packs
import numpy as np
import pytest
import torch
from tiny_recipes import CPU, losses, network, recipe

from threedcseg.cli.main import main
from threedcseg.errors import InputError
from threedcseg.inference.predictor import context_of
from threedcseg.inference.settings import Settings
from threedcseg.models import load_network
from threedcseg.training.clips.layers import Mix
from threedcseg.training.clips.on_device import DeviceBatches, decoded
from threedcseg.training.distributed import World
from threedcseg.training.loop import fit
from threedcseg.training.losses import weighted_loss
from threedcseg.training.non_finite import sources_of_bad_losses
from threedcseg.training.recipe import DataSource, Source, read_recipe, within
from threedcseg.training.train import build_network, train

RECIPE = """
model: {name: compact, width: lite0, channels: 8}
imagenet: false
moving_average: 0.9
loss: {edges: 1.0}
validation: {root: davis, every: 100, preview: 1.0e-4, settings: {short_edge: 32}}
stages:
  - name: stills
    sources: [{kind: stills, root: stills}]
    clip_length: 1
    size: [32, 64]
    mix: {stills: 2, camera: 0.5}
    steps: 2
    learning_rate: 1.0e-3
  - name: clips
    sources: [{kind: davis16, root: davis, weight: 0.7}, {kind: stills, root: stills}]
    clip_length: 4
    size: [32, 64]
    mix: {videos: 1, stills: 1, scenes: 1, framing: {strides: [1, 2]}}
    steps: 3
    learning_rate: 1.0e-3
"""


def mixed(data, **changes):
    """The tiny recipe with a mix in each of its stages."""
    stills, motion = recipe(data).stages
    stages = (
        dataclasses.replace(stills, batch_size=0, mix=Mix(stills=2, camera=0.5)),
        dataclasses.replace(motion, batch_size=0, mix=Mix(1, 1, 1)),
    )
    return recipe(data, **({"stages": stages} | changes))


def trained(given, out, records):
    batches = DeviceBatches(given, World(), CPU)
    return fit(given, network(), out, batches, device=CPU, log=records.append)


def test_a_run_that_was_broken_off_goes_on_with_the_same_losses(tiny_data, tmp_path):
    whole: list[dict] = []
    trained(mixed(tiny_data), tmp_path / "a", whole)
    assert [r["clips"] for r in whole if r["event"] == "step"] == [2] * 4 + [3] * 6

    class Stop(Exception):
        pass

    class Stopped(list):
        def append(self, record):
            super().append(record)
            if record["step"] == 5:
                raise Stop

    broken = Stopped()
    with pytest.raises(Stop):
        trained(mixed(tiny_data), tmp_path / "b", broken)
    again = list(broken)
    trained(mixed(tiny_data), tmp_path / "b", again)
    assert losses(again) == losses(whole)


def test_a_stage_by_the_clock_ends_and_is_gone_on_with(tiny_data, tmp_path):
    given = within(mixed(tiny_data, checkpoint_every=1), 0.05)
    assert sum(stage.minutes for stage in given.stages) == pytest.approx(0.05)
    records: list[dict] = []
    trained(given, tmp_path, records)
    steps = [record for record in records if record["event"] == "step"]
    for name in ("stills", "motion"):
        own = [record for record in steps if record["stage"] == name]
        assert own and own[-1]["progress"] == 1
        assert all(a["progress"] < b["progress"] for a, b in itertools.pairwise(own))
    rates = [record["learning_rate"] for record in steps if record["stage"] == "motion"]
    assert rates == sorted(rates, reverse=True)
    again: list[dict] = []
    trained(given, tmp_path, again)
    assert [record["event"] for record in again] == ["resumed"]


def test_processes_share_a_batch(tiny_data):
    given = mixed(tiny_data)
    whole = next(DeviceBatches(given, World(), CPU)(1, 2))
    for rank in range(3):
        share = next(DeviceBatches(given, World(rank, 3), CPU)(1, 2))
        assert torch.equal(share.frames, whole.frames[rank::3])
        assert share.sources == whole.sources[rank::3]


def test_sources_are_drawn_as_their_weights_say(tiny_data):
    given = mixed(tiny_data)
    video, stills = given.stages[1].sources
    sources = (dataclasses.replace(video, only=("left",)), video, stills)
    stage = dataclasses.replace(given.stages[1], sources=sources)
    batches = DeviceBatches(dataclasses.replace(given, stages=(stage,)), World(), CPU)
    stock = batches._stock(stage)
    assert [entry.name for entry in stock.videos] == ["left", "left", "right"]
    assert stock._video_places == pytest.approx([0.5, 0.75, 1.0])


def test_packs_are_sources(tiny_data, tmp_path):
    pack = made_packs.stills(tmp_path)
    video = recipe(tiny_data).stages[1].sources[0]
    stills = Source("pack", str(pack), weight=2.0)
    stage = dataclasses.replace(mixed(tiny_data).stages[1], sources=(video, stills))
    batches = DeviceBatches(mixed(tiny_data, stages=(stage,)), World(), CPU)
    assert next(batches(0, 0)).sources[1] == ("one",)
    with pytest.raises(InputError, match="no sequence 'two'"):
        decoded("", Source("pack", str(pack), without=("two",)))


def test_clips_of_one_frame_are_trained_on_with_their_context(tiny_data, tmp_path):
    text = RECIPE.replace("clip_length: 4", "clip_length: 1\n    context: 2")
    (tmp_path / "recipe.yaml").write_text(text.replace("channels: 8", "channels: 8, motion: true"))
    given = read_recipe(tmp_path / "recipe.yaml", [f"data={tiny_data}"])
    made = build_network(given)
    batches = DeviceBatches(given, World(), CPU)
    batch = next(batches(1, 0))
    assert batch.frames.shape[2] == 5 and batch.masks.shape[2] == 1 and batch.context == 2
    assert sources_of_bad_losses(made, weighted_loss(given.loss), batch) == ""
    records: list[dict] = []
    fit(given, made, tmp_path, batches, device=CPU, log=records.append)
    assert len(losses(records)) == 5


def test_what_clips_of_one_frame_with_context_taught_sees_motion(tiny_data, tmp_path):
    text = RECIPE.replace("channels: 8", "channels: 8, motion: true")
    lengths = []
    for context in (0, 2):
        path = tmp_path / f"{context}.yaml"
        path.write_text(text.replace("clip_length: 4", f"clip_length: 1\n    context: {context}"))
        weights = train(
            read_recipe(path, [f"data={tiny_data}"]), tmp_path / str(context), device="cpu"
        )
        made, _ = load_network(str(weights))
        settings = Settings.recommended_by(made)
        lengths.append(settings.clip_length)
    assert lengths == [1, Settings().clip_length]
    assert context_of(made, settings) == Settings().context


def test_what_cannot_be_used_is_named(tiny_data):
    with pytest.raises(InputError, match="no pack of that name"):
        decoded(tiny_data, DataSource("pack", "nothing"))
    stage = mixed(tiny_data).stages[1]
    with pytest.raises(InputError, match="batch_size 7 with a mix of 3 clips"):
        dataclasses.replace(stage, batch_size=7)
    with pytest.raises(InputError, match="reads packs, but has no mix"):
        dataclasses.replace(stage, mix=None, batch_size=2, sources=(Source("pack", "x"),))
    with pytest.raises(InputError, match="has context, but no mix"):
        dataclasses.replace(stage, mix=None, batch_size=2, context=1)
    with pytest.raises(InputError, match="give either steps or minutes"):
        dataclasses.replace(stage, minutes=2.0)
    with pytest.raises(InputError, match="some stages have minutes, others steps"):
        stages = (dataclasses.replace(stage, minutes=2.0, steps=0), stage)
        within(dataclasses.replace(mixed(tiny_data), stages=stages), 3)
    with pytest.raises(InputError, match="--minutes 0: give a time above 0"):
        within(mixed(tiny_data), 0)


def test_stages_share_the_minutes_by_their_work(tiny_data):
    """The first has 4 steps of 2 frames, the second 6 of 3 clips of 4, of one size."""
    given = within(mixed(tiny_data), 8.0)
    assert [s.minutes for s in given.stages] == pytest.approx([8 * 8 / 80, 8 * 72 / 80])
    halved = within(given, 4.0)
    assert [s.minutes for s in halved.stages] == pytest.approx([4 * 8 / 80, 4 * 72 / 80])
    assert given.steps is None and mixed(tiny_data).steps == 10


@pytest.fixture
def run(tiny_data, tmp_path):
    (tmp_path / "recipe.yaml").write_text(RECIPE)

    def run(*options):
        words = ["--config", str(tmp_path / "recipe.yaml"), "--data", str(tiny_data)]
        return main(["train", *words, "-o", str(tmp_path / "run"), "--device", "cpu", *options])

    return run


def test_from_a_recipe_with_mixes_to_weights(run, tmp_path, capsys):
    assert run("--minutes", "0.05") == 0
    printed = capsys.readouterr().out
    assert re.search(
        r"convolutions by (oneDNN|torch): forward and backward .* ms by torch", printed
    )
    assert "sequences and stills" in printed and "minutes and" in printed
    loaded, metadata = load_network(str(tmp_path / "run" / "model.safetensors"))
    assert metadata["clip_length"] == 4
    assert loaded(torch.zeros(1, 3, 4, 32, 64)).shape == (1, 1, 4, 32, 64)
    log = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in log]
    previews = [record for record in records if record["event"] == "preview"]
    assert previews and all(0 <= record["J"] <= 1 for record in previews)
    sheets = sorted((tmp_path / "run" / "samples").iterdir())
    assert [int(sheet.stem) for sheet in sheets] == [record["step"] for record in previews]
    sheet = cv2.imread(str(sheets[-1]))
    assert sheet.shape[0] == 120 * (1 + 3) and np.ptp(sheet) > 200


def test_a_dry_run_says_what_would_be_done(run, tmp_path, capsys):
    assert run("--dry-run", "--minutes", "2") == 0
    printed = capsys.readouterr().out
    assert "# stage clips: 1." in printed and "minutes, in steps of 3 clips of 4 frames" in printed
    assert "# altogether 0." in printed and " and 1." in printed
    (tmp_path / "printed.yaml").write_text(printed)
    assert read_recipe(tmp_path / "printed.yaml").stages[1].mix.framing.strides == (1, 2)
