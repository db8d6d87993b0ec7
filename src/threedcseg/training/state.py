"""What training changes from step to step, saved and restored as one."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from threedcseg.errors import InputError
from threedcseg.models.network import SegmentationNetwork
from threedcseg.reading import shortly
from threedcseg.training.checkpoint import load_checkpoint, save_checkpoint
from threedcseg.training.recipe import Recipe
from threedcseg.training.schedule import Progress


class TrainingState:
    """Network, moving average, optimizer, loss scale, and the ``progress`` of each stage."""

    def __init__(self, recipe: Recipe, network: SegmentationNetwork) -> None:
        self.recipe = recipe
        self.progress = [Progress() for _ in recipe.stages]
        self.network = network
        self.names = {parameter: name for name, parameter in network.named_parameters()}
        self.average = _moving_average(network, recipe.moving_average)
        self.optimizer = _optimizer(recipe, network)
        self.device = next(network.parameters()).device
        half = recipe.precision == "float16"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=half)
        # What must not change between a checkpoint and its continuation.
        self._made_for = json.dumps(
            {"model": recipe.model, "optimizer": recipe.optimizer}, sort_keys=True
        )

    @property
    def step(self) -> int:
        """How many steps were done, of all stages."""
        return sum(progress.steps for progress in self.progress)

    @property
    def best(self) -> SegmentationNetwork:
        """The network of the moving average, or the network itself where there is none."""
        best = self.network if self.average is None else self.average.module
        assert isinstance(best, SegmentationNetwork)
        return best

    def save(self, path: Path) -> None:
        """Write a checkpoint; `InputError` where there is no room for it."""
        state = {
            "step": self.step,
            "progress": [(progress.steps, progress.seconds) for progress in self.progress],
            "recipe": self._made_for,
            "network": self.network.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        save_checkpoint(path, state)

    def restore(self, path: Path) -> None:
        """Put everything back as it was when the checkpoint was saved.

        Raises `InputError` for a checkpoint of another model or optimizer.
        """
        state = load_checkpoint(path)
        if state["recipe"] != self._made_for:
            raise InputError(
                f"{path}: checkpoint of another model or optimizer ({state['recipe']})",
                "give another output folder, or the recipe it was made with",
            )
        try:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.average is not None and state["average"] is not None:  # else it begins here
                self.average.load_state_dict(state["average"])
            if state.get("scaler"):
                self.scaler.load_state_dict(state["scaler"])
            self.progress = self._progress(int(state["step"]), state.get("progress", []))
        except Exception as error:  # the parts can be anything at all
            raise InputError(
                f"{path}: checkpoint of another version of this model ({shortly(error)})",
                "give another output folder",
            ) from error

    def _progress(self, steps: int, saved: list[tuple[int, float]]) -> list[Progress]:
        """Of each stage; of a recipe in steps, whatever its stages were when it was saved."""
        found = [
            Progress(*saved[i]) if i < len(saved) else Progress()
            for i in range(len(self.recipe.stages))
        ]
        if self.recipe.steps is None:
            return found
        for stage, progress in zip(self.recipe.stages, found, strict=True):
            progress.steps = min(steps, stage.steps)
            steps -= progress.steps
        return found


def _optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    # Parameters that have the same rate in every stage are updated together.
    groups: dict[tuple[object, ...], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        rates = [stage.rate_of(name) for stage in recipe.stages]
        # AdamW's decay is for weights: factors and offsets of a channel have no reason to shrink.
        decays = recipe.optimizer == "adam" or parameter.ndim > 1
        groups.setdefault((decays, *rates), []).append(parameter)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    on_cpu = all(parameter.device.type == "cpu" for parameter in network.parameters())
    return kind(
        [
            {"params": some, "weight_decay": recipe.weight_decay if decays else 0.0}
            for (decays, *_), some in groups.items()
        ],
        lr=0.0,
        fused=on_cpu or None,  # by itself torch takes one parameter after the other there
    )


def _moving_average(network: nn.Module, decay: float) -> AveragedModel | None:
    if not decay:
        return None
    return AveragedModel(network, multi_avg_fn=_averaging(decay), use_buffers=True)


def _averaging(decay: float) -> Callable[..., None]:
    """An exponential mean over about the last tenth of the steps, until that comes to ``decay``."""

    @torch.no_grad()
    def average(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        # All on the device, which would otherwise be waited for.
        weight = 1 - ((count + 1) / (count + 10)).clamp(max=decay)
        if not averaged[0].is_floating_point():
            torch._foreach_copy_(averaged, current)
            return
        change = torch._foreach_sub(current, averaged)
        torch._foreach_mul_(change, weight.to(averaged[0].dtype))
        torch._foreach_add_(averaged, change)

    return average
