"""Recipes: typed YAML that says all there is to say about a training run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from threedcseg.datasets.registry import find_kind
from threedcseg.errors import InputError
from threedcseg.inference.settings import Settings
from threedcseg.training.clips.augmentation import Augmentation
from threedcseg.training.clips.synthesis import Motion, Scene
from threedcseg.training.inheritance import read_values, set_value
from threedcseg.training.typed import build, plain

BatchNorm = Literal["trained", "frozen-statistics", "frozen-affine", "frozen"]
"""Which part of the batch norms stays as it was: the running statistics, the affine parameters
(what the published training froze), or both."""

Precision = Literal["float32", "bfloat16", "float16"]
"""What convolutions are computed in; weights, losses and updates are always float32."""


@dataclass(frozen=True)
class DataSource:
    """A split of a data set; ``root`` is relative to the recipe's ``data`` folder.

    ``kind``: a key of `datasets.registry.KINDS`, or "video", a name for "davis16". ``options``,
    and ``resolution`` for DAVIS, go to its reader. Of its sequences, ``only`` these, ``without``
    those: to hold some out and score them.
    """

    kind: str
    root: str
    split: str | None = None
    resolution: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind == "video":
            object.__setattr__(self, "kind", "davis16")
        find_kind(self.kind)


@dataclass(frozen=True)
class Source(DataSource):
    """One data set in a stage's mix, and how clips are drawn from it.

    Of videos: ``spans``, ``reverse``, and ``transplant`` with the stills that the
    ``surroundings`` come from (`VideoClips`). Of stills: ``separate`` (`SyntheticClips`). Of both:
    ``motion`` and ``scene``.
    """

    weight: float = 1.0
    spans: tuple[int, ...] = (32,)
    reverse: float = 0.0
    transplant: float = 0.0
    surroundings: DataSource | None = None
    motion: Motion = Motion()
    separate: float = 0.0
    scene: Scene = Scene()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight < 0:
            raise InputError(f"weight: {self.weight} is negative; give 0 or more")
        if self.transplant and self.surroundings is None:
            raise InputError("transplant: needs surroundings; name a data set of stills")


@dataclass(frozen=True)
class Stage:
    """A part of the run with its own data, clip shape and learning rate; 0 ``steps`` leave it out.

    ``batch_size``: clips that one update rests on, whatever the number of devices. The learning
    rate rises linearly over ``warmup`` steps and then follows ``schedule``: "cosine" to zero,
    "exponential" by ``decay`` every ``decay_steps`` steps (the paper's, per epoch), or "constant".
    ``encoder_rate`` scales it for the encoder.
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

    def __post_init__(self) -> None:
        at_least(1, batch_size=self.batch_size, clip_length=self.clip_length)
        at_least(1, height=self.size[0], width=self.size[1], decay_steps=self.decay_steps)
        at_least(0, steps=self.steps, warmup=self.warmup)
        if not any(source.weight > 0 for source in self.sources):
            raise InputError(f"stage {self.name!r} has no source with a weight above 0; add one")


@dataclass(frozen=True, kw_only=True)
class Validation(DataSource):
    """The data set on which J&F is measured every so many steps; never trained on.

    ``settings``: windows and resolution of the predictions.
    """

    kind: str = "davis16"
    split: str | None = "dev"
    every: int = 1000
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, every=self.every)
        self.settings.check()


@dataclass(frozen=True)
class InitialWeights:
    """Files to start from, relative to the working folder: of an encoder, of a whole network, or
    of several ``networks``, from whose mean the training goes on."""

    encoder: str | None = None
    network: str | None = None
    networks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.network is not None and self.networks:
            raise InputError("initial_weights: network and networks; keep one of them")


@dataclass(frozen=True)
class Recipe:
    """A whole training run. ``model`` is passed to `create_model`: its ``name`` and options.

    How to fit it on devices changes no clips: ``accumulate``, the parts that each process computes
    its share of a batch in; ``gradient_checkpointing``, which computes activations twice instead of
    keeping them; ``precision``; and ``sync_batch_norm``, batch statistics of all GPUs together.
    ``clip_gradient`` and ``moving_average``: 0 for none.
    """

    model: dict[str, Any]
    stages: tuple[Stage, ...]
    data: str = "."
    seed: int = 0
    imagenet: bool = True
    initial_weights: InitialWeights = field(default_factory=InitialWeights)
    optimizer: Literal["adam", "adamw"] = "adamw"
    weight_decay: float = 1e-4
    clip_gradient: float = 1.0
    batch_norm: BatchNorm = "frozen-statistics"
    sync_batch_norm: bool = False
    loss: dict[str, float] = field(default_factory=lambda: {"cross_entropy": 1.0})
    precision: Precision = "float32"
    accumulate: int = 1
    gradient_checkpointing: bool = False
    moving_average: float = 0.0
    checkpoint_every: int = 200
    validation: Validation | None = None

    def __post_init__(self) -> None:
        at_least(1, accumulate=self.accumulate, checkpoint_every=self.checkpoint_every)
        if not isinstance(self.model.get("name"), str):
            raise InputError("model: missing name; `3dcseg models` lists them")
        if not any(stage.steps for stage in self.stages):
            raise InputError("stages: there is none with steps; give at least one")

    @property
    def steps(self) -> int:
        """Updates of the whole run."""
        return sum(stage.steps for stage in self.stages)


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file, and what it extends, with ``overrides`` such as "stages.0.steps=100".

    Raises `InputError` naming the file or the override, the unknown or ill-typed key and the
    nearest known key.
    """
    values = read_values(Path(path))
    recipe: Recipe = build(Recipe, values, str(path))
    for assignment in overrides:
        values = set_value(values, assignment)
        recipe = build(Recipe, values, f"--set {assignment}")
    return recipe


def write_recipe(recipe: Recipe) -> str:
    """The recipe as YAML, all defaults spelled out; `read_recipe` reads the same from it."""
    return yaml.safe_dump(plain(recipe), sort_keys=False, default_flow_style=None, width=100)


def at_least(least: int, **values: int) -> None:
    """Raise `InputError` for a value that is too small."""
    for name, value in values.items():
        if value < least:
            raise InputError(f"{name}: {value} is too small; give {least} or more")
