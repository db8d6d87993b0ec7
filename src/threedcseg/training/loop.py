"""The training loop: one readable `fit`, one comment a phase."""

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from threedcseg.datasets.clips import ClipDataset, SyntheticClips, VideoClips
from threedcseg.datasets.davis import davis16
from threedcseg.datasets.images import still_images
from threedcseg.errors import InputError
from threedcseg.training.checkpoint import load_checkpoint, save_checkpoint
from threedcseg.training.losses import weighted_loss
from threedcseg.training.recipe import BatchNorm, Recipe, Source, Stage

Record = dict[str, Any]


def fit(
    recipe: Recipe,
    network: nn.Module,
    out: Path,
    *,
    device: torch.device,
    workers: int = 1,
    log: Callable[[Record], None] = lambda record: None,
    validate: Callable[[nn.Module], Record] | None = None,
) -> nn.Module:
    """Train ``network`` by ``recipe``, resuming from ``out/checkpoint.pt`` where there is one.

    Clips are pure functions of (seed, stage, number) and learning rates of the step, so a run that
    was killed and started again goes on with the losses it would have had. Returns the network of
    the moving average (or the network itself where the recipe has none). Raises `InputError` when
    the loss is not finite; the last good checkpoint stays.
    """
    out.mkdir(parents=True, exist_ok=True)
    checkpoint_path = out / "checkpoint.pt"
    network = network.to(device)
    average = _moving_average(network, recipe.moving_average)
    optimizer = _optimizer(recipe, network)
    loss_of = weighted_loss(recipe.loss)
    step = 0

    # Resume
    if checkpoint_path.exists():
        state = load_checkpoint(checkpoint_path)
        _check_same_recipe(state["recipe"], recipe, checkpoint_path)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        if average is not None:
            average.load_state_dict(state["average"])
        step = state["step"]
        log({"event": "resumed", "step": step})

    for stage_index, stage, first in _stages(recipe):
        if step >= first + stage.steps:
            continue
        batches = _batches(recipe, stage, stage_index, step - first, workers)
        for frames, masks in batches:
            started = time.perf_counter()

            # Learning rate of this step
            rate = learning_rate(stage, step - first)
            for group in optimizer.param_groups:
                group["lr"] = rate * (stage.encoder_rate if group["name"] == "encoder" else 1.0)

            # Forward
            network.train()
            freeze_batch_norm(network, recipe.batch_norm)
            clip = frames.to(device).float() / 255  # (B, 3, T, H, W)
            target = masks.to(device).float() / 255  # (B, 1, T, H, W)
            loss = loss_of(network(clip), target)
            if not math.isfinite(loss.item()):
                raise InputError(
                    f"loss is {loss.item()} at step {step} of stage {stage.name!r}; lower the "
                    f"learning rate and start again, {checkpoint_path} is the last good state"
                )

            # Backward and update
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_gradient)
            optimizer.step()
            if average is not None:
                average.update_parameters(network)
            step += 1

            # Log, checkpoint, validate
            log(
                {
                    "event": "step",
                    "step": step,
                    "stage": stage.name,
                    "loss": loss.item(),
                    "gradient_norm": float(norm),
                    "learning_rate": rate,
                    "seconds": time.perf_counter() - started,
                    "clips": len(frames),
                }
            )
            stage_ends = step == first + stage.steps
            if step % recipe.checkpoint_every == 0 or stage_ends:
                save_checkpoint(checkpoint_path, _state(step, recipe, network, average, optimizer))
            due = recipe.validation and (step % recipe.validation.every == 0 or stage_ends)
            if validate is not None and due:
                scores = validate(average.module if average is not None else network)
                log({"event": "validation", "step": step, **scores})
    return average.module if average is not None else network


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


def training_sources(recipe: Recipe, stage: Stage) -> list[tuple[float, Any]]:
    """The weighted clip sources of a stage, read from disk."""
    return [(source.weight, _source(Path(recipe.data), source)) for source in stage.sources]


def _source(data: Path, source: Source) -> VideoClips | SyntheticClips:
    root = data / source.root
    if source.kind == "stills":
        return SyntheticClips(still_images(root), source.motion, source.separate)
    sequences = davis16(root, source.split, source.resolution)
    return VideoClips(sequences, source.spans, source.reverse)


def _stages(recipe: Recipe) -> Iterator[tuple[int, Stage, int]]:
    first = 0
    for index, stage in enumerate(recipe.stages):
        yield index, stage, first
        first += stage.steps


def _batches(
    recipe: Recipe, stage: Stage, stage_index: int, done: int, workers: int
) -> DataLoader[tuple[Tensor, Tensor]]:
    seed = 1000 * recipe.seed + stage_index
    sources = training_sources(recipe, stage)
    dataset = ClipDataset(sources, stage.clip_length, stage.size, stage.augmentation, seed)
    numbers = range(done * stage.batch_size, stage.steps * stage.batch_size)
    return DataLoader(
        dataset,
        stage.batch_size,
        sampler=numbers,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )


def _optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    encoder = [p for name, p in network.named_parameters() if name.startswith("encoder.")]
    others = [p for name, p in network.named_parameters() if not name.startswith("encoder.")]
    groups = [{"params": encoder, "name": "encoder"}, {"params": others, "name": "decoder"}]
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return kind(groups, lr=0.0, weight_decay=recipe.weight_decay)


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
) -> dict[str, Any]:
    return {
        "step": step,
        "recipe": _fingerprint(recipe),
        "network": network.state_dict(),
        "average": None if average is None else average.state_dict(),
        "optimizer": optimizer.state_dict(),
    }


def _fingerprint(recipe: Recipe) -> str:
    """What must not change between a checkpoint and its continuation, as text."""
    return json.dumps({"model": recipe.model, "optimizer": recipe.optimizer}, sort_keys=True)


def _check_same_recipe(found: str, recipe: Recipe, path: Path) -> None:
    if found != _fingerprint(recipe):
        raise InputError(
            f"{path}: checkpoint of another model or optimizer ({found}); give another output "
            "folder, or the recipe it was made with"
        )
