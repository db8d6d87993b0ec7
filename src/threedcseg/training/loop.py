"""The training loop: one readable `fit`, one comment a phase."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from threedcseg.errors import InputError
from threedcseg.models.network import SegmentationNetwork
from threedcseg.training.batch import Batch, Batches
from threedcseg.training.distributed import World
from threedcseg.training.losses import Loss, unit_range, weighted_loss
from threedcseg.training.non_finite import bad_gradient, bad_loss, sources_of_bad_losses
from threedcseg.training.preparation import freeze, prepare
from threedcseg.training.preview import Preview
from threedcseg.training.recipe import Recipe
from threedcseg.training.schedule import learning_rate
from threedcseg.training.state import TrainingState

Record = dict[str, Any]


def fit(
    recipe: Recipe,
    network: SegmentationNetwork,
    out: Path,
    batches: Batches,
    *,
    device: torch.device,
    world: World | None = None,
    log: Callable[[Record], None] = lambda record: None,
    validate: Callable[[SegmentationNetwork], Record] | None = None,
    preview: Preview | None = None,
) -> SegmentationNetwork:
    """Train ``network`` by ``recipe``, resuming from ``out/checkpoint.pt`` where there is one.

    Batches are functions of stage and step, and so are learning rates but for stages that last by
    the clock: a run that was killed and started again goes on with the losses it would have had.
    All processes of a ``world`` call this function with batches of their own, and the first one
    logs and saves. Returns the network of the moving average (or the network itself where the
    recipe has none). Raises `InputError` when the loss is not finite, naming the files of the clip;
    the last good checkpoint stays.
    """
    world = world or World()
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "checkpoint.pt"
    state = TrainingState(recipe, prepare(recipe, network.to(device), world))
    scaler = state.scaler
    loss_of = weighted_loss(recipe.loss)

    # Resume
    if checkpoint.exists():
        state.restore(checkpoint)
        log({"event": "resumed", "step": state.step})
    _check_same_step(world.gather(state.step), out)

    # Batches of all stages that are left, opened here so that what is missing is named now
    stages = [
        (stage, progress, batches(index, progress.steps))
        for index, (stage, progress) in enumerate(zip(recipe.stages, state.progress, strict=True))
        if progress.share(stage) < 1
    ]

    for stage, progress, stage_batches in stages:
        freeze(state.network, recipe, stage)
        ddp = world.ddp(state.network)  # averages the gradients of all processes
        clock = time.perf_counter()
        for batch in stage_batches:
            started = time.perf_counter()

            # Learning rate of this step
            rate = learning_rate(stage, progress)
            for group in state.optimizer.param_groups:
                group["lr"] = rate * stage.rate_of(state.names[group["params"][0]])

            # Forward and backward
            torch.manual_seed(recipe.seed + world.size * state.step + world.rank)  # what is dropped
            if not state.network.training:  # a validation or preview looked at it
                freeze(state.network, recipe, stage)
            state.optimizer.zero_grad(set_to_none=True)
            loss = world.mean(_backward(batch, recipe, state, ddp, loss_of, world))

            # Stop at a loss that is not a number
            where = f"step {state.step} of stage {stage.name!r}"
            if not math.isfinite(loss):
                own = sources_of_bad_losses(state.network, loss_of, batch)
                named = "; ".join(text for text in world.gather(own) if text)
                raise bad_loss(loss, where, named, checkpoint)

            # Update
            scaler.unscale_(state.optimizer)
            most = recipe.clip_gradient or math.inf
            norm = nn.utils.clip_grad_norm_(state.network.parameters(), most)
            if not (norm.isfinite() or scaler.is_enabled()):  # a scaler leaves such steps out
                raise bad_gradient(norm.item(), where, checkpoint)
            scaler.step(state.optimizer)
            scaler.update()
            if state.average is not None:
                state.average.update_parameters(state.network)
            progress.steps += 1
            clock, before = time.perf_counter(), clock
            progress.seconds += world.mean(clock - before)  # alike in all processes

            # Log, checkpoint, validate
            log(
                {
                    "event": "step",
                    "step": state.step,
                    "stage": stage.name,
                    "loss": loss,
                    "gradient_norm": norm.item() if norm.isfinite() else None,
                    "learning_rate": rate,
                    "seconds": time.perf_counter() - started,
                    "clips": stage.batch_size,
                    "progress": min(1.0, progress.share(stage)),
                }
            )
            ends = progress.share(stage) >= 1
            if world.writes and (ends or state.step % recipe.checkpoint_every == 0):
                state.save(checkpoint)
            # By the clock, what takes longer than a preview waits for the last stage's end.
            pause = ends and (stage.steps or stage is recipe.stages[-1])
            due = recipe.validation and (pause or state.step % recipe.validation.every == 0)
            if validate is not None and due:
                log({"event": "validation", "step": state.step, **validate(state.best)})
            if preview is not None and preview.is_due():
                seen = preview(state.best, state.step, batch)
                log({"event": "preview", "step": state.step, **seen})
            if ends:
                break
    return state.best


def _backward(
    batch: Batch,
    recipe: Recipe,
    state: TrainingState,
    ddp: nn.Module,
    loss_of: Loss,
    world: World,
) -> float:
    """Add up the gradients of a batch, part by part; returns the loss of this process's share."""
    total = 0.0
    device = state.device
    parts = recipe.accumulate
    precision = precision_of(recipe, device)
    shares = zip(batch.frames.chunk(parts), batch.masks.chunk(parts), strict=True)
    for number, (frames, masks) in enumerate(shares, 1):
        with nullcontext() if number == parts else world.no_sync(ddp):
            with torch.autocast(device.type, precision, precision != torch.float32):
                logits = ddp(unit_range(frames, device), batch.context)  # (B, K, T, H, W)
            loss = loss_of(logits, unit_range(masks, device)) / parts
            state.scaler.scale(loss).backward()
        total += loss.item()
    return total


def precision_of(recipe: Recipe, device: torch.device) -> torch.dtype:
    """What convolutions are computed in on ``device``."""
    if recipe.precision == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    dtype: torch.dtype = getattr(torch, recipe.precision)
    return dtype


def _check_same_step(steps: list[int], out: Path) -> None:
    if len(set(steps)) > 1:
        raise InputError(
            f"{out}: not all processes find the same checkpoint there (steps {steps})",
            "give a folder that all machines share",
        )
