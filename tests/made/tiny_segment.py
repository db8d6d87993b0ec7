"""`3dcseg segment` by a network that takes no time."""

from pathlib import Path

import torch

from threedcseg.cli.main import main
from threedcseg.models import create_model
from threedcseg.models.weights import save_weights


def save_tiny_weights(folder: Path) -> Path:
    """A file of the weights of a tiny network, always the same."""
    torch.manual_seed(0)
    path = folder / "tiny.safetensors"
    save_weights(path, create_model("compact", width="lite0", channels=8).eval())
    return path


def segment(weights: Path, *arguments: object) -> int:
    """The exit status of ``3dcseg segment`` with these arguments."""
    words = [str(each) for each in arguments]
    return main(["segment", *words, "--model", str(weights), "--short-edge", "32"])
