"""A network made ready to be trained, and whether the recipe fits the devices."""

from torch import nn

from threedcseg.errors import InputError
from threedcseg.models.network import SegmentationNetwork
from threedcseg.training.distributed import World
from threedcseg.training.gradient_checkpointing import checkpoint_blocks
from threedcseg.training.recipe import BatchNorm, Recipe, Stage
from threedcseg.training.stochastic_depth import drop_blocks


def prepare(recipe: Recipe, network: SegmentationNetwork, world: World) -> SegmentationNetwork:
    """The network as ``recipe`` trains it, before optimizer and `World.ddp` see its parameters.

    Raises `InputError` where the recipe does not fit the device or the number of processes.
    """
    for stage in recipe.stages:
        clips_at_once(recipe, stage, world)  # or it would stop hours later
    on_cpu = next(network.parameters()).device.type == "cpu"
    lowest = min(stage.size[0] for stage in recipe.stages)
    if on_cpu and recipe.precision == "bfloat16" and lowest < 96:
        # On fewer than 3 rows of features, PyTorch 2.13's gradient of the bias of a convolution
        # with a 1x7x1 kernel is whatever the memory held before.
        raise InputError(
            f"clips of {lowest} rows are too small for bfloat16 on a CPU",
            "give 96 rows or more, or float32",
        )
    if recipe.sync_batch_norm and world.size > 1:
        if on_cpu:
            raise InputError("sync_batch_norm needs GPUs", "set it to false")
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    for stage in recipe.stages:
        freeze(network, recipe, stage)  # names a part that there is not
    if recipe.stochastic_depth:
        drop_blocks(network.encoder, recipe.stochastic_depth)
    if recipe.gradient_checkpointing:
        checkpoint_blocks(network)
    return network


def freeze(network: nn.Module, recipe: Recipe, stage: Stage) -> None:
    """Set ``network`` to be trained, but for batch norms and parts that ``stage`` leaves as is.

    Raises `InputError` for a part that the network has not.
    """
    names = dict(network.named_parameters())
    for part in stage.rates:
        if not any(f"{name}.".startswith(f"{part}.") for name in names):
            raise InputError(
                f"stage {stage.name!r}: rates: the network has no part {part!r}",
                "give the beginning of a parameter's name, such as encoder.blocks.0",
            )
    network.train().requires_grad_(True)
    freeze_batch_norm(network, recipe.batch_norm)
    for name, parameter in names.items():
        if not stage.rate_of(name):
            parameter.requires_grad_(False)


def freeze_batch_norm(network: nn.Module, mode: BatchNorm) -> None:
    """Keep running statistics, affine parameters, both or neither of every batch norm as is."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if mode in {"frozen-statistics", "frozen"}:
                module.eval()
            for parameter in module.parameters():
                parameter.requires_grad_(mode not in {"frozen-affine", "frozen"})


def clips_at_once(recipe: Recipe, stage: Stage, world: World) -> int:
    """How many clips a process computes together; `InputError` where it is no whole number."""
    parts = world.size * recipe.accumulate
    if stage.batch_size % parts:
        raise InputError(
            f"stage {stage.name!r}: batch_size {stage.batch_size} cannot be split evenly between "
            f"{world.size} processes that accumulate {recipe.accumulate} parts",
            f"give a multiple of {parts}",
        )
    return stage.batch_size // parts
