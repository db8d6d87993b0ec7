"""Recipes: typed YAML that says all there is to say about a training run."""

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, to_jsonable_python

from threedcseg.datasets.registry import find_kind
from threedcseg.errors import InputError
from threedcseg.inference.settings import Settings
from threedcseg.reading import parsed, shortly
from threedcseg.training.clips.augmentation import Augmentation
from threedcseg.training.clips.layers import Mix
from threedcseg.training.clips.synthesis import Motion, SyntheticScene
from threedcseg.training.inheritance import read_values, set_value

BatchNorm = Literal["trained", "frozen-statistics", "frozen-affine", "frozen"]
"""Which part of the batch norms stays as it was: the running statistics, the affine parameters
(what the published training froze), or both."""

Precision = Literal["float32", "bfloat16", "float16", "auto"]
"""What convolutions are computed in; weights, losses and updates are always float32. "auto" is
bfloat16 on a GPU and float32 elsewhere."""

Positive = Annotated[int, Field(ge=1, le=10**9)]
NotNegative = Annotated[int, Field(ge=0, le=10**9)]
NotNegativeFloat = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


PACK = "pack"  # the kind of source that is a pack


@dataclass(frozen=True)
class DataSource:
    """A split of a data set; ``root`` is relative to the recipe's ``data`` folder.

    ``kind``: a key of `datasets.registry.KINDS`, or "pack", for a stage with a mix
    (`datasets.packs`). ``options``, and ``resolution`` for DAVIS, go to its reader; where there is
    no folder of that resolution, the next larger one is shrunk. Of its sequences, ``only`` these,
    ``without`` those: to hold some out and score them.
    """

    kind: str
    root: str
    split: str | None = None
    resolution: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind != PACK:
            find_kind(self.kind)


@dataclass(frozen=True)
class Source(DataSource):
    """One data set in a stage's mix, and how clips are drawn from it.

    Of videos: ``spans``, ``reverse``, and ``copy_paste`` with the stills that the
    ``surroundings`` come from (`VideoClips`). Of stills: ``separate`` (`SyntheticClips`). Of both:
    ``motion`` and ``scene``.
    """

    weight: Annotated[float, Field(ge=0)] = 1.0
    spans: tuple[Positive, ...] = (32,)
    reverse: Share = 0.0
    copy_paste: Share = 0.0
    surroundings: DataSource | None = None
    motion: Motion = Motion()
    separate: Share = 0.0
    scene: SyntheticScene = SyntheticScene()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.copy_paste and self.surroundings is None:
            raise InputError("copy_paste needs surroundings", "name a data set of stills")


@dataclass(frozen=True)
class Stage:
    """A part of the run with its own data, clip shape and learning rate.

    It lasts ``steps``, or ``minutes``. ``size``: height and width of the clips. ``batch_size``:
    clips that one update rests on, whatever the number of devices. With a ``mix`` they are made on
    the device, of decoded pictures that stay there, and it says how many; else by worker processes,
    as sources and ``augmentation`` say. With a mix, clips may have ``context``, so many frames
    before and after the ``clip_length``, in which motion is looked for (`SegmentationNetwork`):
    short clips with it show more scenes for the same work. The learning rate rises linearly over
    ``warmup`` steps and then follows ``schedule``: "cosine" to zero, "exponential" by ``decay``
    every ``decay_steps`` steps (the paper's, per epoch), or "constant". ``rates`` scale it for
    parts of the network, such as ``{encoder: 0.4, encoder.stem: 0}``; what has 0 stays as it is,
    and no gradients are computed for it.
    """

    name: str
    sources: tuple[Source, ...]
    size: tuple[Positive, Positive]
    learning_rate: NotNegativeFloat
    steps: NotNegative = 0
    batch_size: NotNegative = 0
    minutes: NotNegativeFloat = 0.0
    mix: Mix | None = None
    clip_length: Positive = 8
    context: NotNegative = 0
    rates: dict[str, NotNegativeFloat] = field(default_factory=dict)
    warmup: NotNegative = 0
    schedule: Literal["cosine", "exponential", "constant"] = "cosine"
    decay: NotNegativeFloat = 0.95
    decay_steps: Positive = 1000
    augmentation: Augmentation = Augmentation()

    def __post_init__(self) -> None:
        if not any(source.weight > 0 for source in self.sources):
            raise InputError(f"stage {self.name!r} has no source with a weight above 0", "add one")
        if bool(self.steps) == bool(self.minutes):
            raise InputError(f"stage {self.name!r}", "give either steps or minutes, above 0")
        if self.mix is not None and self.batch_size not in (0, self.mix.clips):
            raise InputError(
                f"stage {self.name!r}: batch_size {self.batch_size} with a mix of "
                f"{self.mix.clips} clips",
                "leave batch_size out",
            )
        if self.mix is not None:
            object.__setattr__(self, "batch_size", self.mix.clips)
        elif not self.batch_size:
            raise InputError(f"stage {self.name!r} has no batch_size", "add it")
        elif any(source.kind == PACK for source in self.sources):
            raise InputError(f"stage {self.name!r} reads packs, but has no mix", "add one")
        elif self.context:
            raise InputError(f"stage {self.name!r} has context, but no mix", "add one")

    def rate_of(self, parameter: str) -> float:
        """The factor that ``rates`` have for a parameter: that of the narrowest part it is in."""
        parts = parameter.split(".")
        names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
        return next((self.rates[name] for name in names if name in self.rates), 1.0)

    @property
    def work(self) -> float:
        """Pixels of all its clips, by which stages are compared; of minutes, these."""
        height, width = self.size
        return self.minutes or self.steps * self.batch_size * self.clip_length * height * width


@dataclass(frozen=True, kw_only=True)
class Validation(DataSource):
    """The data set on which J&F is measured every so many steps; never trained on.

    ``settings``: windows and resolution of the predictions. ``preview``: minutes between quick
    figures with sample pictures (`training.preview`); 0 for none.
    """

    kind: str = "davis16"
    split: str | None = "dev"
    every: Positive = 1000
    preview: NotNegativeFloat = 0.0
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.settings.check()


@dataclass(frozen=True)
class InitialWeights:
    """What to start from: the file of an encoder, that of a whole network or its name if it ships
    ("compact"), or several ``networks``, from whose mean the training goes on. Files are relative
    to the working folder. In a recipe, ``initial_weights: compact`` is a whole network."""

    encoder: str | None = None
    network: str | None = None
    networks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.network is not None and self.networks:
            raise InputError("both network and networks are given", "keep one of them")


@dataclass(frozen=True)
class Recipe:
    """A whole training run. ``model`` is passed to `create_model`: its ``name`` and options.

    How to fit it on devices changes no clips: ``accumulate``, the parts that each process computes
    its share of a batch in; ``gradient_checkpointing``, which computes activations twice instead of
    keeping them; ``precision``; and ``sync_batch_norm``, batch statistics of all GPUs together.
    ``clip_gradient``, ``moving_average`` and ``stochastic_depth`` (`drop_blocks`): 0 for none.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: dict[str, Any]
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    data: str = "."
    seed: NotNegative = 0
    imagenet: bool = True
    initial_weights: InitialWeights = field(default_factory=InitialWeights)
    optimizer: Literal["adam", "adamw"] = "adamw"
    weight_decay: NotNegativeFloat = 1e-4
    clip_gradient: NotNegativeFloat = 1.0
    batch_norm: BatchNorm = "frozen-statistics"
    sync_batch_norm: bool = False
    loss: dict[str, float] = field(default_factory=lambda: {"cross_entropy": 1.0})
    precision: Precision = "float32"
    accumulate: Positive = 1
    gradient_checkpointing: bool = False
    moving_average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    stochastic_depth: Share = 0.0
    checkpoint_every: Positive = 200
    validation: Validation | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.model.get("name"), str):
            raise InputError("model: missing name", "`3dcseg models` lists them")

    @property
    def steps(self) -> int | None:
        """Updates of the whole run; None where a stage lasts by the clock."""
        by_clock = any(stage.minutes for stage in self.stages)
        return None if by_clock else sum(stage.steps for stage in self.stages)


def within(recipe: Recipe, minutes: float) -> Recipe:
    """The recipe in ``minutes``: each stage gets the share that its own are of all, or its work.

    Raises `InputError` where some stages have minutes and others steps.
    """
    if minutes <= 0:
        raise InputError(f"--minutes {minutes:g}", "give a time above 0")
    if len({bool(stage.minutes) for stage in recipe.stages}) > 1:
        raise InputError("some stages have minutes, others steps", "give all of them minutes")
    whole = sum(stage.work for stage in recipe.stages)
    stages = (
        replace(stage, steps=0, minutes=minutes * stage.work / whole) for stage in recipe.stages
    )
    return replace(recipe, stages=tuple(stages))


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file, and what it extends, with ``overrides`` such as "stages.0.steps=100".

    Raises `InputError` naming the file or the override, the place, what was given and what was
    expected there; for an unknown key the nearest known one.
    """
    values = read_values(Path(path))
    recipe = _parsed(values, str(path))
    for assignment in overrides:
        values = set_value(values, assignment)
        recipe = _parsed(values, f"--set {assignment}")
    return recipe


def write_recipe(recipe: Recipe) -> str:
    """The recipe as YAML, all defaults spelled out; `read_recipe` reads the same from it."""
    return yaml.safe_dump(plain(recipe), sort_keys=False, default_flow_style=None, width=100)


def plain(value: Any) -> Any:
    """A recipe, or a part of one, as the mappings, lists and scalars that it is read from."""
    return to_jsonable_python(value)


_RECIPE = TypeAdapter(Recipe)


def _as_json(values: Any) -> str:
    return json.dumps(values, default=str)


def _parsed(values: Any, where: str) -> Recipe:
    if isinstance(values, dict) and isinstance(start := values.get("initial_weights"), str):
        values = {**values, "initial_weights": {"network": start}}
    text = parsed(_as_json, values, where, "recipe", also=(TypeError,))
    try:
        return _RECIPE.validate_json(text)
    except ValidationError as error:
        found = error.errors(include_url=False)
        # A misspelt key comes first: it is why another is missing.
        first = min(found, key=lambda each: each["type"] != "unexpected_keyword_argument")
        raise _readable(first, where) from None


_EXPECTED = {
    "dataclass_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "literal_error": "{expected}",
    "greater_than_equal": "{ge:g} or more",
    "less_than_equal": "{le:g} or less",
    "too_short": "{min_length} or more entries",
    "too_long": "at most {max_length} entries",
}


def _readable(error: ErrorDetails, where: str) -> InputError:
    """One line of what pydantic found: file, place, what was given, what was expected."""
    place, kind = list(error["loc"]), error["type"]
    key = place.pop() if kind in {"unexpected_keyword_argument", "missing"} else None
    named = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    where = f"{where}: {named.removeprefix('.')}".removesuffix(": ")
    given, context = shortly(repr(error["input"])), error.get("ctx", {})
    if kind == "unexpected_keyword_argument":
        near = difflib.get_close_matches(str(key), _keys(place), n=1, cutoff=0)
        return InputError(f"{where}: unknown key {key!r}", f"did you mean {near[0]!r}?")
    if kind == "missing" and isinstance(key, str):
        return InputError(f"{where}: missing {key}", "add it")
    if kind == "missing":
        return InputError(f"{where}: {given} given", "expected more entries")
    if kind == "value_error":
        cause = context["error"]
        if isinstance(cause, InputError):
            return InputError(f"{where}: {cause.what}", cause.remedy)
        return InputError(f"{where}: {cause}")
    if kind not in _EXPECTED:
        return InputError(f"{where}: {given} given", error["msg"])
    return InputError(f"{where}: {given} given", f"expected {_EXPECTED[kind].format(**context)}")


def _keys(place: list[Any]) -> list[str]:
    """The keys that a recipe has at a place such as ``["stages", 0, "augmentation"]``."""
    kind: Any = Recipe
    for part in place:
        if isinstance(part, str):
            kind = get_type_hints(kind)[part]
            while not is_dataclass(kind):  # of a tuple or an optional value, what is in it
                kind = get_args(kind)[0]
    return [each.name for each in fields(kind)]
