"""From a checkpoint file of unknown make to named tensors, executing nothing."""

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from threedcseg.errors import InputError
from threedcseg.models.conversion.caffe2 import read_blobs

ZIP = b"PK\x03\x04"
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""First bytes of what `torch.save` wrote since, and before, version 1.6."""

WRAPPERS = ("model", "state_dict", "model_state_dict", "net")
"""Where training scripts put the weights among an epoch and an optimiser."""


@dataclass
class Checkpoint:
    """Tensors by the names of their makers, without what training wrapped around them.

    ``caffe2``: whether they are Caffe2 blobs. ``dropped``: reasons, and the names left out.
    """

    tensors: dict[str, Tensor]
    sha256: str
    caffe2: bool
    dropped: dict[str, list[str]] = field(default_factory=dict)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a PyTorch checkpoint or a Caffe2 pickle; raises `InputError` for anything else.

    PyTorch's are read with `weights_only`, pickles by `read_blobs`: neither can run code.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        head = file.read(len(LEGACY))
    if head.startswith((ZIP, LEGACY)):
        tensors, dropped = _unwrap(_load_torch(path), path)
        return Checkpoint(tensors, sha256, caffe2=False, dropped=dropped)
    blobs = {name: torch.from_numpy(blob) for name, blob in read_blobs(path).items()}
    return Checkpoint(blobs, sha256, caffe2=True)


def _load_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error)
        if "GLOBAL" not in reason:
            raise InputError(f"{path}: damaged, or not a PyTorch checkpoint") from error
        asked = reason.partition("GLOBAL ")[2].split(" ")[0]
        raise InputError(
            f"{path}: refused, it asks for {asked}", "save only its tensors (a state dict)"
        ) from error
    except Exception as error:  # a damaged archive can fail in any way at all
        raise InputError(f"{path}: damaged, or not a PyTorch checkpoint") from error


def _unwrap(content: Any, path: Path) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    dropped: dict[str, list[str]] = {}
    while isinstance(content, Mapping):
        inner = next((name for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if inner is None:
            break
        rest = [str(name) for name in content if name != inner]
        if rest:
            dropped.setdefault("training state", []).extend(rest)
        content = content[inner]
    tensors = {}
    for name, value in content.items() if isinstance(content, Mapping) else ():
        if isinstance(value, Tensor):
            tensors[str(name).removeprefix("module.")] = value
        else:
            dropped.setdefault("not a tensor", []).append(str(name))
    if not tensors:
        raise InputError(f"{path}: holds no named tensors", "give a state dict")
    return tensors, dropped
