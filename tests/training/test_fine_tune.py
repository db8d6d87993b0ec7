"""The network that ships, trained further on one's own folder by the recipe for it."""

from pathlib import Path

import pytest

from threedcseg.cli.main import main
from threedcseg.models import load_network
from threedcseg.training.recipe import InitialWeights, read_recipe

RECIPE = Path(__file__).parents[2] / "recipes" / "fine-tune.yaml"
SMALL = {"steps": 2, "size": "[32, 64]", "batch_size": 1, "clip_length": 2, "warmup": 0}


@pytest.fixture
def own(tiny_data, tmp_path) -> Path:
    """Two videos as docs/data.md says: links to frames and masks."""
    root = tmp_path / "own"
    for name in ("left", "right"):
        (root / name).mkdir(parents=True)
        for kind, there in (("frames", "JPEGImages"), ("masks", "Annotations")):
            (root / name / kind).symlink_to(tiny_data / "davis" / there / "480p" / name)
    return root


def test_weights_by_name(tmp_path):
    assert read_recipe(RECIPE).initial_weights == InitialWeights(network="compact")
    named = read_recipe(RECIPE, ["initial_weights=mine.safetensors"])
    assert named.initial_weights == InitialWeights(network="mine.safetensors")


def test_fine_tuned(own, tmp_path, capsys):
    small = [f"stages.own-videos.{name}={value}" for name, value in SMALL.items()]
    options = ["--config", str(RECIPE), "--data", str(own)]
    for word in small:
        options += ["--set", word]
    assert main(["data", "check", str(own)]) == 0
    assert main(["train", *options, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "# network from compact" in printed and "2 sequences, 20 frames" in printed
    assert f"# needs video folders in {own}\n" in printed
    run = tmp_path / "run"
    assert main(["train", *options, "--device", "cpu", "--workers", "0", "-o", str(run)]) == 0
    tuned, _ = load_network(str(run / "model.safetensors"))
    shipped, _ = load_network("compact")
    assert tuned.options == shipped.options
    moved = [
        (mine - theirs).abs().max().item()
        for mine, theirs in zip(tuned.parameters(), shipped.parameters(), strict=True)
    ]
    assert 0 < max(moved) < 0.01 and all(p.isfinite().all() for p in tuned.parameters())
