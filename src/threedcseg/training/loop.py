"""The training loop: one readable `fit`, one comment a phase."""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset, default_collate

from threedcseg.errors import InputError
from threedcseg.models.network import SegmentationNetwork
from threedcseg.training.checkpoint import load_checkpoint, save_checkpoint
from threedcseg.training.clips.dataset import ClipDataset
from threedcseg.training.clips.sources import clip_files, stage_clips
from threedcseg.training.distributed import World
from threedcseg.training.gradient_checkpointing import recompute_blocks
from threedcseg.training.losses import weighted_loss
from threedcseg.training.recipe import BatchNorm, Recipe, Stage

Record = dict[str, Any]
Loss = Callable[[Tensor, Tensor], Tensor]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def fit(
    recipe: Recipe,
    network: SegmentationNetwork,
    out: Path,
    *,
    device: torch.device,
    workers: int = 1,
    world: World | None = None,
    log: Callable[[Record], None] = lambda record: None,
    validate: Callable[[SegmentationNetwork], Record] | None = None,
) -> SegmentationNetwork:
    """Train ``network`` by ``recipe``, resuming from ``out/checkpoint.pt`` where there is one.

    Clips are pure functions of (seed, stage, number) and learning rates of the step, so a run that
    was killed and started again goes on with the losses it would have had. Of each batch, process
    ``r`` of a ``world`` of ``n`` computes clips ``r``, ``r + n``, ...; all call this function, and
    the first one logs and saves. Returns the network of the moving average (or the network itself
    where the recipe has none). Raises `InputError` when the loss is not finite, naming the files of
    the clip; the last good checkpoint stays.
    """
    world = world or World()
    out.mkdir(parents=True, exist_ok=True)
    checkpoint_path = out / "checkpoint.pt"
    network = _prepared(recipe, network.to(device), world)
    average = _moving_average(network, recipe.moving_average)
    optimizer = _optimizer(recipe, network)
    scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "float16")
    loss_of = weighted_loss(recipe.loss)
    for stage in recipe.stages:
        clips_at_once(recipe, stage, world)  # or it would stop hours later
    step = 0

    # Resume
    if checkpoint_path.exists():
        step = _restore(checkpoint_path, recipe, network, average, optimizer, scaler)
        log({"event": "resumed", "step": step})
    _check_same_step(world.gather(step), out)
    copies = world.copies(network)  # averages the gradients of all processes

    # Data of all stages that are left, so that what is missing is told now
    stages = [
        (stage, first, stage_clips(recipe, stage, 1000 * recipe.seed + index))
        for index, stage, first in _stages(recipe)
        if step < first + stage.steps
    ]

    for stage, first, clips in stages:
        for frames, masks in _batches(clips, recipe, stage, step - first, workers, world, device):
            started = time.perf_counter()

            # Learning rate of this step
            rate = learning_rate(stage, step - first)
            for group in optimizer.param_groups:
                group["lr"] = rate * (stage.encoder_rate if group["name"] == "encoder" else 1.0)

            # Forward and backward, part by part
            network.train()
            freeze_batch_norm(network, recipe.batch_norm)
            optimizer.zero_grad(set_to_none=True)
            own_loss = 0.0
            count = recipe.accumulate
            parts = zip(frames.chunk(count), masks.chunk(count), strict=True)
            for number, (clip, target) in enumerate(parts, 1):
                last = number == count
                with nullcontext() if last else world.keeping_gradients(copies):
                    with torch.autocast(
                        device.type, DTYPES[recipe.precision], recipe.precision != "float32"
                    ):
                        logits = copies(_on(device, clip))  # (B, K, T, H, W)
                    loss = loss_of(logits, _on(device, target)) / count
                    scaler.scale(loss).backward()
                own_loss += loss.item()

            # Stop at a loss that is not a number
            loss_of_all = world.mean(own_loss)
            if not math.isfinite(loss_of_all):
                numbers = _numbers(stage, step - first, world)
                culprits = _culprits(network, loss_of, clips, numbers, frames, masks)
                named = "; ".join(text for text in world.gather(culprits) if text)
                raise InputError(
                    f"loss is {loss_of_all} at step {step} of stage {stage.name!r} "
                    f"({named or 'no clip by itself'}); look at these files or lower the learning "
                    f"rate, and start again from {checkpoint_path}, the last good state"
                )

            # Update
            scaler.unscale_(optimizer)
            norm = nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_gradient or math.inf)
            if not (norm.isfinite() or scaler.is_enabled()):  # a scaler leaves such steps out
                raise InputError(
                    f"gradient is {norm.item()} at step {step} of stage {stage.name!r}; lower the "
                    f"learning rate and start again from {checkpoint_path}, the last good state"
                )
            scaler.step(optimizer)
            scaler.update()
            if average is not None:
                average.update_parameters(network)
            step += 1

            # Log, checkpoint, validate
            log(
                {
                    "event": "step",
                    "step": step,
                    "stage": stage.name,
                    "loss": loss_of_all,
                    "gradient_norm": norm.item() if norm.isfinite() else None,
                    "learning_rate": rate,
                    "seconds": time.perf_counter() - started,
                    "clips": stage.batch_size,
                }
            )
            stage_ends = step == first + stage.steps
            if world.writes and (step % recipe.checkpoint_every == 0 or stage_ends):
                state = _state(step, recipe, network, average, optimizer, scaler)
                save_checkpoint(checkpoint_path, state)
            due = recipe.validation and (step % recipe.validation.every == 0 or stage_ends)
            if validate is not None and due:
                log({"event": "validation", "step": step, **validate(_best(network, average))})
    return _best(network, average)


def clips_at_once(recipe: Recipe, stage: Stage, world: World) -> int:
    """How many clips a process computes together; `InputError` where it is no whole number."""
    parts = world.size * recipe.accumulate
    if stage.batch_size % parts:
        raise InputError(
            f"stage {stage.name!r}: batch_size {stage.batch_size} cannot be split evenly between "
            f"{world.size} processes that accumulate {recipe.accumulate} parts; give a multiple of "
            f"{parts}"
        )
    return stage.batch_size // parts


def learning_rate(stage: Stage, step: int) -> float:
    """The learning rate at ``step`` (0-based) of a stage."""
    if step < stage.warmup:
        return stage.learning_rate * (step + 1) / stage.warmup
    if stage.schedule == "cosine":
        progress = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
        return stage.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
    if stage.schedule == "exponential":
        return float(stage.learning_rate * stage.decay ** (step // stage.decay_steps))
    return stage.learning_rate


def freeze_batch_norm(network: nn.Module, mode: BatchNorm) -> None:
    """Keep running statistics, affine parameters, both or neither of every batch norm as is."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if mode in {"frozen-statistics", "frozen"}:
                module.eval()
            for parameter in module.parameters():
                parameter.requires_grad_(mode not in {"frozen-affine", "frozen"})


def _prepared(recipe: Recipe, network: SegmentationNetwork, world: World) -> SegmentationNetwork:
    """The network as this recipe trains it, before optimizer and copies see its parameters."""
    lowest = min(stage.size[0] for stage in recipe.stages if stage.steps)
    if network.mean.device.type == "cpu" and recipe.precision == "bfloat16" and lowest < 96:
        # On fewer than 3 rows of features, PyTorch 2.13's gradient of the bias of a convolution
        # with a 1x7x1 kernel is whatever the memory held before.
        raise InputError(
            f"clips of {lowest} rows are too small for bfloat16 on a CPU; give 96 rows or more, or "
            "float32"
        )
    if recipe.sync_batch_norm and world.size > 1:
        if network.mean.device.type == "cpu":
            raise InputError("sync_batch_norm needs GPUs; set it to false")
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    freeze_batch_norm(network, recipe.batch_norm)
    if recipe.gradient_checkpointing:
        recompute_blocks(network)
    return network


def _stages(recipe: Recipe) -> Iterator[tuple[int, Stage, int]]:
    """Number, stage and the step that it begins at."""
    first = 0
    for index, stage in enumerate(recipe.stages):
        yield index, stage, first
        first += stage.steps


def _batches(
    clips: ClipDataset,
    recipe: Recipe,
    stage: Stage,
    done: int,
    workers: int,
    world: World,
    device: torch.device,
) -> Iterator[tuple[Tensor, Tensor]]:
    """This process's shares of the batches that are left of a stage."""
    numbers = range(
        done * stage.batch_size + world.rank, stage.steps * stage.batch_size, world.size
    )
    batches = DataLoader(
        _WithErrors(clips),
        clips_at_once(recipe, stage, world) * recipe.accumulate,
        sampler=numbers,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        pin_memory=device.type == "cuda",
        collate_fn=_collate,
    )
    for batch in batches:
        if isinstance(batch, InputError):
            raise batch
        yield batch


class _WithErrors(Dataset[Any]):
    """Hands over an `InputError` as an item: raised in a worker it would become a traceback."""

    def __init__(self, clips: ClipDataset) -> None:
        self.clips = clips

    def __getitem__(self, index: int) -> Any:
        try:
            return self.clips[index]
        except InputError as error:
            return error


def _collate(items: list[Any]) -> Any:
    errors = (item for item in items if isinstance(item, InputError))
    return next(errors, None) or default_collate(items)


def _on(device: torch.device, levels: Tensor) -> Tensor:
    """Levels from 0 to 255 as float32 in [0, 1] on ``device``."""
    return levels.to(device, non_blocking=True).float() / 255


def _numbers(stage: Stage, step: int, world: World) -> range:
    """The clips of this process in the batch of a stage's ``step`` (0-based)."""
    first = step * stage.batch_size
    return range(first + world.rank, first + stage.batch_size, world.size)


@torch.no_grad()
def _culprits(
    network: SegmentationNetwork,
    loss_of: Loss,
    clips: ClipDataset,
    numbers: range,
    frames: Tensor,
    masks: Tensor,
) -> str:
    """Which of this process's clips have no finite loss, and the files they were made from."""
    device = network.mean.device
    found = []
    for number, clip, target in zip(numbers, frames, masks, strict=True):
        loss = loss_of(network(_on(device, clip[None])), _on(device, target[None]))
        if not loss.isfinite():
            found.append(number)
    told = [f"clip {n} of {', '.join(map(str, clip_files(clips, n)))}" for n in found[:2]]
    return "; ".join(told) + (f"; {len(found) - 2} more clips" if len(found) > 2 else "")


def _optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    encoder = [p for name, p in network.named_parameters() if name.startswith("encoder.")]
    others = [p for name, p in network.named_parameters() if not name.startswith("encoder.")]
    groups = [{"params": encoder, "name": "encoder"}, {"params": others, "name": "decoder"}]
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return kind(groups, lr=0.0, weight_decay=recipe.weight_decay)


def _best(network: SegmentationNetwork, average: AveragedModel | None) -> SegmentationNetwork:
    best = network if average is None else average.module
    assert isinstance(best, SegmentationNetwork)
    return best


def _moving_average(network: nn.Module, decay: float) -> AveragedModel | None:
    if not decay:
        return None
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


def _state(
    step: int,
    recipe: Recipe,
    network: nn.Module,
    average: AveragedModel | None,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> dict[str, Any]:
    return {
        "step": step,
        "recipe": _fingerprint(recipe),
        "network": network.state_dict(),
        "average": None if average is None else average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
    }


def _restore(
    path: Path,
    recipe: Recipe,
    network: nn.Module,
    average: AveragedModel | None,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> int:
    """Put everything back as it was when the checkpoint was saved; returns its step."""
    state = load_checkpoint(path)
    _check_same_recipe(state["recipe"], recipe, path)
    try:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        if average is not None and state["average"] is not None:  # else it begins here
            average.load_state_dict(state["average"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: checkpoint of another version of this model ({error}); give another output "
            "folder"
        ) from error
    if state.get("scaler"):
        scaler.load_state_dict(state["scaler"])
    return int(state["step"])


def _fingerprint(recipe: Recipe) -> str:
    """What must not change between a checkpoint and its continuation, as text."""
    return json.dumps({"model": recipe.model, "optimizer": recipe.optimizer}, sort_keys=True)


def _check_same_recipe(found: str, recipe: Recipe, path: Path) -> None:
    if found != _fingerprint(recipe):
        raise InputError(
            f"{path}: checkpoint of another model or optimizer ({found}); give another output "
            "folder, or the recipe it was made with"
        )


def _check_same_step(steps: list[int], out: Path) -> None:
    if len(set(steps)) > 1:
        raise InputError(
            f"{out}: not all processes find the same checkpoint there (steps {steps}); give a "
            "folder that all machines share"
        )
