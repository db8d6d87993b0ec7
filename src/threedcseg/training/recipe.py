"""Recipes: typed YAML that says all there is to say about a training run."""

import dataclasses
import difflib
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from threedcseg.datasets.augmentation import Augmentation
from threedcseg.datasets.synthesis import Motion
from threedcseg.errors import InputError

BatchNorm = Literal["trained", "frozen-statistics", "frozen-affine", "frozen"]
"""Which part of the batch norms stays as it was: the running statistics, the affine parameters
(what the published training froze), or both."""


@dataclass(frozen=True)
class Source:
    """One data set in a stage's mix; ``root`` is relative to the recipe's ``data`` folder."""

    kind: Literal["video", "stills"]
    root: str
    weight: float = 1.0
    split: str = "train"
    resolution: str = "480p"
    spans: tuple[int, ...] = (32,)
    reverse: float = 0.0
    motion: Motion = Motion()
    separate: float = 0.0


@dataclass(frozen=True)
class Stage:
    """A part of the run with its own data, clip shape and learning rate.

    The learning rate rises linearly over ``warmup`` steps and then follows ``schedule``: "cosine"
    to zero, "exponential" by ``decay`` every ``decay_steps`` steps (the paper's, per epoch), or
    "constant". ``encoder_rate`` scales it for the encoder.
    """

    name: str
    sources: tuple[Source, ...]
    steps: int
    batch_size: int
    size: tuple[int, int]
    learning_rate: float
    clip_length: int = 8
    encoder_rate: float = 1.0
    warmup: int = 0
    schedule: Literal["cosine", "exponential", "constant"] = "cosine"
    decay: float = 0.95
    decay_steps: int = 1000
    augmentation: Augmentation = Augmentation()


@dataclass(frozen=True)
class Validation:
    """The data set on which J&F is measured every so many steps; never trained on."""

    root: str
    split: str = "dev"
    resolution: str = "480p"
    every: int = 1000


@dataclass(frozen=True)
class Recipe:
    """A whole training run. ``model`` is passed to `create_model`: its ``name`` and options."""

    model: dict[str, Any]
    stages: tuple[Stage, ...]
    data: str = "."
    seed: int = 0
    imagenet: bool = True
    optimizer: Literal["adam", "adamw"] = "adamw"
    weight_decay: float = 1e-4
    clip_gradient: float = 1.0
    batch_norm: BatchNorm = "frozen-statistics"
    loss: dict[str, float] = field(default_factory=lambda: {"cross_entropy": 1.0})
    moving_average: float = 0.0
    checkpoint_every: int = 200
    validation: Validation | None = None


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe file.

    Raises `InputError` naming the file, the unknown or ill-typed key and the nearest known key.
    """
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such recipe; recipes/ holds the ones that come along"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {error}") from error
    return build(Recipe, values, str(path))


def build(kind: Any, value: Any, where: str) -> Any:
    """Turn plain YAML values into ``kind``: a dataclass, tuple, dict, union, literal or scalar."""
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, where)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return build(next(a for a in arguments if a is not type(None)), value, where)
    if origin is Literal:
        if value not in arguments:
            raise InputError(f"{where}: {value!r} is unknown; choose one of {_names(arguments)}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise InputError(f"{where}: {value!r} should be a list")
        if arguments[-1] is not Ellipsis and len(value) != len(arguments):
            raise InputError(f"{where}: {value!r} should have {len(arguments)} entries")
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        pairs = enumerate(zip(kinds, value, strict=True))
        return tuple(build(k, item, f"{where}[{i}]") for i, (k, item) in pairs)
    if origin is dict:
        if not isinstance(value, dict):
            raise InputError(f"{where}: {value!r} should be a mapping")
        return {str(k): build(arguments[1], item, f"{where}.{k}") for k, item in value.items()}
    if kind is Any:
        return value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError(f"{where}: {value!r} should be of type {kind.__name__}")
    return value


def _build_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise InputError(f"{where}: {value!r} should be a mapping")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in value:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0)
            raise InputError(f"{where}: unknown key {key!r}; did you mean {near[0]!r}?")
    missing = [
        name
        for name, f in fields.items()
        if name not in value
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise InputError(f"{where}: missing {_names(missing)}")
    hints = get_type_hints(kind)
    return kind(**{key: build(hints[key], item, f"{where}: {key}") for key, item in value.items()})


def _names(items: Any) -> str:
    return ", ".join(str(item) for item in items)
