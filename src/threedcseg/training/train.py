"""From a recipe to a file of weights: build the network, fill it, fit it, save it."""

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from threedcseg.errors import InputError
from threedcseg.models import create_model, load_encoder, load_network
from threedcseg.models.device import pick_device
from threedcseg.models.network import SegmentationNetwork
from threedcseg.models.weights import mean_of, save_weights
from threedcseg.training.clips.loader import ClipLoader
from threedcseg.training.clips.sources import open_source
from threedcseg.training.distributed import World, joined
from threedcseg.training.log import TrainingLog
from threedcseg.training.loop import Record, fit
from threedcseg.training.recipe import Recipe, Validation, plain
from threedcseg.training.validation import score_shared


def train(recipe: Recipe, output: Path, *, device: str = "auto", workers: int = 1) -> Path:
    """Run a recipe to its end and return the path of the weights.

    ``output`` receives what `3dcseg train --help` lists; an earlier run in it is continued. Under
    `torchrun`, every process calls this, and the first one writes. ``workers``: processes that
    prepare clips, for each of them. Raises `InputError` for data, recipes or checkpoints that
    cannot be used.
    """
    world = World.from_environment()
    where = pick_device(device)
    if where.type == "cuda" and world.size > 1:
        if where.index is not None:
            raise InputError(f"--device {device}", "give cuda, each process takes a GPU of its own")
        where = pick_device(f"cuda:{world.local_rank}")
    torch.manual_seed(recipe.seed)
    network = build_network(recipe)
    load_initial_weights(recipe, network)
    path = output / "model.safetensors"
    with joined(world, where):
        validate = None
        if recipe.validation is not None:
            validate = validation(recipe.data, recipe.validation, world)
        if world.writes:
            of_size = f", {world.size} processes" if world.size > 1 else ""
            print(f"device {where}{of_size}; {recipe.steps} steps; writing to {output}", flush=True)
        silent: nullcontext[Callable[[Record], None]] = nullcontext(lambda record: None)
        with TrainingLog(output, recipe.steps) if world.writes else silent as log:
            best = fit(
                recipe,
                network,
                output,
                ClipLoader(recipe, world, workers, pin_memory=where.type == "cuda"),
                device=where,
                world=world,
                log=log,
                validate=validate,
            )
        if world.writes:
            clip_length = recipe.stages[-1].clip_length
            metadata = {"recipe": json.dumps(plain(recipe)), "clip_length": clip_length}
            save_weights(path, best.cpu().eval(), metadata, half=True)
    return path


def build_network(recipe: Recipe) -> SegmentationNetwork:
    """The recipe's network with fresh weights; `InputError` for unknown names and options."""
    options = dict(recipe.model)
    return create_model(options.pop("name"), **options)


def load_initial_weights(recipe: Recipe, network: SegmentationNetwork) -> None:
    """Fill ``network`` with what the recipe starts from; `InputError` where that does not fit."""
    initial = recipe.initial_weights
    given = {
        "imagenet": recipe.imagenet,
        "initial_weights.encoder": initial.encoder is not None,
        "initial_weights.network": initial.network is not None,
        "initial_weights.networks": bool(initial.networks),
    }
    chosen = [name for name, here in given.items() if here]
    if len(chosen) > 1:
        raise InputError(f"{' and '.join(chosen)} both fill the encoder", "keep one of them")
    if recipe.imagenet:
        network.encoder.load_imagenet()
    if initial.encoder is not None:
        load_encoder(network, initial.encoder)
    files = initial.networks or ([initial.network] if initial.network is not None else [])
    if files:
        network.load_state_dict(mean_of([_state(path, recipe.model) for path in files]))


def _state(path: str, model: Mapping[str, Any]) -> dict[str, Tensor]:
    start, metadata = load_network(path)
    if {"name": start.name, **start.options} != model:
        raise InputError(
            f"{path}: weights of {metadata['model']} with {start.options}, which is not the "
            f"recipe's model {model}"
        )
    return start.state_dict()


def validation(
    data: str, what: Validation, world: World
) -> Callable[[SegmentationNetwork], Record]:
    """A function that measures J&F of a network, its sequences shared among the processes."""
    sequences = open_source(data, what).sequences

    def validate(candidate: SegmentationNetwork) -> dict[str, Any]:
        world.agree(candidate.buffers())  # batch statistics are each process's own
        overall = score_shared(sequences, candidate.eval(), what.settings, world).overall
        return {name: overall[name] for name in ("J&F", "J_mean", "F_mean")}

    return validate
