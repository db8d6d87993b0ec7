"""Training checkpoints: written whole or not at all, read without executing anything."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch

from threedcseg.atomic import replacing
from threedcseg.errors import InputError

KEYS = {"step", "recipe", "network", "average", "optimizer"}
"""What every checkpoint has."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors and plain values); `InputError` where there is no room for it."""
    try:
        with replacing(path, sweep=True) as temporary, open(temporary, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        free = shutil.disk_usage(path.parent).free / 2**20
        # torch reports a full disk as a RuntimeError that speaks of its own source code.
        reason = error.strerror if isinstance(error, OSError) else f"{free:.0f} MiB were left"
        raise InputError(
            f"{path}: could not save the checkpoint ({reason})",
            "free some space and start again with the same command, the last good checkpoint is "
            "untouched",
        ) from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; raises `InputError` if it is damaged or no checkpoint of ours."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise InputError(
            f"{path}: damaged or not a checkpoint", "delete it to start the run anew"
        ) from error
    if not isinstance(state, dict) or not state.keys() >= KEYS:
        raise InputError(f"{path}: not a training checkpoint of 3dcseg", "delete or rename it")
    return state
