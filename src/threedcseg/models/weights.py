"""Weights as safetensors files that say what network they belong to.

The header of a file holds one JSON object under the key `3dcseg`: the name and options that
rebuild the network (`model`, `options`), or the name of an encoder (`encoder`) where only that is
stored; what the network was trained with (`mean`, `std` for RGB in [0, 1], `bn_eps` of the
encoder, `clip_length`); other `settings` by which to use it, where there are any; and where the
weights come from (`licence`, `source`). Nothing in a file is ever executed.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from threedcseg.atomic import replacing
from threedcseg.errors import InputError, some
from threedcseg.models.network import SegmentationNetwork

HEADER = "3dcseg"


Mean = Annotated[float, Field(ge=-1e4, le=1e4)]
Deviation = Annotated[float, Field(gt=0, le=1e4)]


class Header(BaseModel, extra="allow"):
    """The entries that are read again; see the module's docstring."""

    model: str | None = None
    encoder: str | None = None
    options: dict[str, Any] = {}
    mean: Annotated[list[Mean], Field(min_length=3, max_length=3)] | None = None
    std: Annotated[list[Deviation], Field(min_length=3, max_length=3)] | None = None
    bn_eps: Annotated[float, Field(ge=0, lt=1)] | None = None
    clip_length: Annotated[int, Field(ge=1, le=1024)] | None = None
    precision: Literal["float32", "bfloat16", "float16"] | None = None
    settings: dict[str, Any] = {}


def save_weights(
    path: str | Path,
    model: SegmentationNetwork,
    metadata: Mapping[str, Any] | None = None,
    *,
    half: bool = False,
) -> None:
    """Write the weights of a network made by `create_model`, and what rebuilds it.

    ``metadata``: further entries of the header, of JSON's types. ``half`` stores convolution
    weights as float16 (half the size, about 5e-4 of relative rounding); `load_weights` gives
    float32 again. The file appears under its name only when it is whole.
    """
    if model.name is None:
        raise ValueError("only a network made by create_model() can be saved: it knows its name")
    described = {
        "model": model.name,
        "options": dict(model.options),
        "mean": model.mean.flatten().tolist(),
        "std": model.std.flatten().tolist(),
        "bn_eps": bn_eps(model.encoder),
    }
    write_weights(path, model.state_dict(), {**described, **(metadata or {})}, half=half)


def write_weights(
    path: str | Path,
    state: Mapping[str, Tensor],
    metadata: Mapping[str, Any],
    *,
    half: bool = False,
) -> None:
    """Write any tensors with a header; see `save_weights`."""
    tensors = {
        key: (_halved(key, tensor) if half else tensor).detach().cpu().contiguous()
        for key, tensor in state.items()
    }
    try:
        with replacing(path, sweep=True) as temporary:
            mode = temporary.stat().st_mode  # as the umask says; safetensors makes it private
            save_file(tensors, temporary, {HEADER: json.dumps(dict(metadata))})
            temporary.chmod(mode)
    except SafetensorError as error:  # how safetensors reports a full disk
        raise InputError(f"{path}: cannot be written ({error})") from error


def load_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file of ours: tensors (numbers cast to float32) and the header's entries.

    Raises `InputError` for a missing or damaged file, and for one that does not say what it is.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file of weights")
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(HEADER, "{}")
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise InputError(f"{path}: damaged, or not a safetensors file ({error})") from error
    try:
        metadata = Header.model_validate_json(header).model_dump(exclude_unset=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: damaged, its header: {where} {first['msg']}") from error
    if not {"model", "encoder"} & metadata.keys():
        raise InputError(
            f"{path}: does not say which network it belongs to", "make it with `3dcseg convert`"
        )
    numbers = (key for key, tensor in state.items() if tensor.is_floating_point())
    return state | {key: state[key].float() for key in numbers}, metadata


def fill(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Give ``module`` exactly the tensors of ``state``.

    ``module`` may live on the meta device. Raises `InputError` that names the missing and
    unexpected keys and those of another shape; ``origin`` (a file) begins its message.
    """
    own = module.state_dict()
    both = {key: (state[key], tensor) for key, tensor in own.items() if key in state}
    problems = {
        "missing": [key for key in own if key not in state],
        "unexpected": [key for key in state if key not in own],
        "of another shape": [
            f"{key} {tuple(given.shape)} instead of {tuple(tensor.shape)}"
            for key, (given, tensor) in both.items()
            if given.shape != tensor.shape
        ],
        "of another type": [
            f"{key} {given.dtype} instead of {tensor.dtype}"
            for key, (given, tensor) in both.items()
            if given.is_floating_point() != tensor.is_floating_point()
        ],
        "with values that are no numbers": [
            key for key, given in state.items() if not bool(given.isfinite().all())
        ],
    }
    raise_if_any(problems, f"{origin}: weights of another network")
    module.load_state_dict(state, assign=True)


def raise_if_any(problems: Mapping[str, list[str]], origin: str) -> None:
    """`InputError` that names the first few tensors of each problem, if there are any."""
    if any(problems.values()):
        found = "; ".join(f"{listed(names)} {what}" for what, names in problems.items() if names)
        raise InputError(f"{origin}: {found}")


def listed(names: list[str]) -> str:
    """``"7 tensors (a, b, c, ...)"``."""
    return f"{len(names)} tensor{'s' * (len(names) > 1)} ({some(names, 3)})"


def mean_of(
    states: Sequence[Mapping[str, Tensor]], shares: Sequence[float] | None = None
) -> dict[str, Tensor]:
    """The mean of the weights of several networks, rounded once; counters are the first one's.

    ``shares``: how much each counts, default all alike.
    """
    parts = torch.tensor(shares or [1.0] * len(states), dtype=torch.float64)
    parts /= parts.sum()
    mean = {}
    for key, first in states[0].items():
        mean[key] = first
        if first.is_floating_point():
            weighted = [s[key].double() * part for s, part in zip(states, parts, strict=True)]
            mean[key] = torch.stack(weighted).sum(0).to(first.dtype)
    return mean


def bn_eps(module: nn.Module) -> float | None:
    """The epsilon that all batch norms of ``module`` share; None if it has none."""
    found = {part.eps for part in module.modules() if isinstance(part, _BatchNorm)}
    if len(found) > 1:
        raise ValueError(f"batch norms of {type(module).__name__} have several eps: {found}")
    return found.pop() if found else None


def set_bn_eps(module: nn.Module, eps: float | None) -> None:
    """Give all batch norms of ``module`` the epsilon its weights were trained with."""
    for part in module.modules():
        if isinstance(part, _BatchNorm) and eps is not None:
            part.eps = eps


def _halved(key: str, tensor: Tensor) -> Tensor:
    """float16 for what is a large float32 tensor and fits; norms and biases are small and exact."""
    if tensor.dtype != torch.float32 or not key.endswith(".weight") or tensor.dim() < 2:
        return tensor
    half = tensor.half()
    return half if bool(half.isfinite().all()) else tensor
