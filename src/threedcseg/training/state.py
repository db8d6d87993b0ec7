"""What training changes from step to step, saved and restored as one."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from threedcseg.errors import InputError
from threedcseg.models.network import SegmentationNetwork
from threedcseg.training.checkpoint import load_checkpoint, save_checkpoint
from threedcseg.training.recipe import Recipe


class TrainingState:
    """Network, moving average, optimizer, loss scale, and how many ``step``s were done."""

    def __init__(self, recipe: Recipe, network: SegmentationNetwork) -> None:
        self.step = 0
        self.network = network
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
    def best(self) -> SegmentationNetwork:
        """The network of the moving average, or the network itself where there is none."""
        best = self.network if self.average is None else self.average.module
        assert isinstance(best, SegmentationNetwork)
        return best

    def save(self, path: Path) -> None:
        """Write a checkpoint; `InputError` where there is no room for it."""
        state = {
            "step": self.step,
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
        except (RuntimeError, ValueError, KeyError) as error:
            raise InputError(
                f"{path}: checkpoint of another version of this model ({error})",
                "give another output folder",
            ) from error
        if state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        self.step = int(state["step"])


def _optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    encoder = [p for name, p in network.named_parameters() if name.startswith("encoder.")]
    others = [p for name, p in network.named_parameters() if not name.startswith("encoder.")]
    groups: list[dict[str, Any]] = [
        {"params": encoder, "name": "encoder"},
        {"params": others, "name": "decoder"},
    ]
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return kind(groups, lr=0.0, weight_decay=recipe.weight_decay)


def _moving_average(network: nn.Module, decay: float) -> AveragedModel | None:
    if not decay:
        return None
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
