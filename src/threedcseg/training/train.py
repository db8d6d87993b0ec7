"""From a recipe to a file of weights: build the network, fill it, fit it, save it."""

import json
from collections.abc import Callable, Iterator, Mapping
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
from threedcseg.training.batch import Batch
from threedcseg.training.clips.loader import ClipLoader
from threedcseg.training.clips.on_device import DeviceBatches
from threedcseg.training.clips.sources import open_source
from threedcseg.training.convolutions import fastest_convolution
from threedcseg.training.distributed import World, joined
from threedcseg.training.folding import fold
from threedcseg.training.log import TrainingLog
from threedcseg.training.loop import Record, fit, precision_of
from threedcseg.training.preview import Preview
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
        by, line = fastest_convolution(where, precision_of(recipe, where))
        fold(network.to(where), by)
        batches = StageBatches(recipe, world, where, workers)
        preview = _preview(recipe, output) if world.writes else None
        if world.writes:
            of_size = f", {world.size} processes" if world.size > 1 else ""
            print(f"device {where}{of_size}; {length(recipe)}; writing to {output}", flush=True)
            print("\n".join([line, *batches.described()]), flush=True)
        silent: nullcontext[Callable[[Record], None]] = nullcontext(lambda record: None)
        with TrainingLog(output, recipe.steps) if world.writes else silent as log:
            best = fit(
                recipe,
                network,
                output,
                batches,
                device=where,
                world=world,
                log=log,
                validate=validate,
                preview=preview,
            )
        if world.writes:
            metadata: dict[str, Any] = {"recipe": json.dumps(plain(recipe))}
            last = recipe.stages[-1]
            if not last.context:  # else it is no length to use it with: 1 means each frame alone
                metadata["clip_length"] = last.clip_length
            save_weights(path, best.cpu().eval(), metadata, half=True)
    return path


class StageBatches:
    """The batches (`Batches`) of a recipe: of each stage as it has a mix or not."""

    def __init__(self, recipe: Recipe, world: World, device: torch.device, workers: int) -> None:
        self.recipe = recipe
        self.loaded = ClipLoader(recipe, world, workers, pin_memory=device.type == "cuda")
        mixed = any(stage.mix is not None for stage in recipe.stages)
        self.made = DeviceBatches(recipe, world, device) if mixed else None

    def __call__(self, stage: int, done: int) -> Iterator[Batch]:
        if self.made is not None and self.recipe.stages[stage].mix is not None:
            return self.made(stage, done)
        return self.loaded(stage, done)

    def described(self) -> list[str]:
        return [] if self.made is None else [str(self.made)]


def length(recipe: Recipe) -> str:
    """How long a run of ``recipe`` is, in words."""
    if recipe.steps is not None:
        return f"{recipe.steps} steps"
    parts = (
        f"{stage.minutes:.3g} minutes" if stage.minutes else f"{stage.steps} steps"
        for stage in recipe.stages
    )
    return " and ".join(parts)


def _preview(recipe: Recipe, output: Path) -> Preview | None:
    what = recipe.validation
    if what is None or not what.preview:
        return None
    sequences = open_source(recipe.data, what).sequences
    return Preview(sequences, what.settings, output / "samples", what.preview)


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
