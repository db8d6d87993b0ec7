"""The smallest run that goes through everything: two stages on the discs of `tiny_data`."""

import dataclasses
from pathlib import Path

import torch

from threedcseg.models import create_model
from threedcseg.models.network import SegmentationNetwork
from threedcseg.training.clips.loader import ClipLoader
from threedcseg.training.clips.synthesis import Motion
from threedcseg.training.distributed import World
from threedcseg.training.loop import fit
from threedcseg.training.recipe import Recipe, Source, Stage

CPU = torch.device("cpu")


def recipe(data: Path, **changes) -> Recipe:
    video = Source("davis16", "davis")
    stills = Source("stills", "stills", motion=Motion(shift=0.1), separate=0.5)
    stages = (
        Stage("stills", (stills,), (32, 64), 1e-3, 4, 2, clip_length=1, warmup=2),
        Stage("motion", (video, stills), (32, 64), 1e-3, 6, 2, clip_length=4),
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


def network() -> SegmentationNetwork:
    torch.manual_seed(0)
    return create_model("compact", width="lite0", channels=8)


def train_tiny(
    recipe: Recipe, network: SegmentationNetwork, out: Path, log=lambda record: None
) -> SegmentationNetwork:
    """`fit` on the CPU, with clips made in this process."""
    return fit(recipe, network, out, ClipLoader(recipe, World()), device=CPU, log=log)


def losses(records: list[dict]) -> dict[int, float]:
    """By step, of a log; raises where a step that was done twice gave two losses."""
    found: dict[int, float] = {}
    for record in records:
        if record["event"] == "step":
            assert found.setdefault(record["step"], record["loss"]) == record["loss"]
    return found
