"""Networks and their parts by name.

A builder enters a registry with a decorator, beside its definition; importing `threedcseg.models`
imports every module that has one. Its options are what its signature says: names, types and limits
(`typing.Literal`, `pydantic.Field`) are checked before anything is built.

>>> create_model("3dc-seg", encoder="ir-csn-152", bridge="gc3d")  # doctest: +SKIP
"""

import difflib
import inspect
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import nn

from threedcseg.errors import InputError
from threedcseg.models.encoders.encoder import Encoder
from threedcseg.models.network import SegmentationNetwork

BuiltT = TypeVar("BuiltT", bound=nn.Module)
BuilderT = TypeVar("BuilderT", bound=Callable[..., nn.Module])


@dataclass(frozen=True)
class Entry(Generic[BuiltT]):
    """A builder and what the table of `3dcseg models` says of it."""

    name: str
    builder: Callable[..., BuiltT]
    summary: str
    weights_licence: str


class Registry(Mapping[str, Entry[BuiltT]]):
    """Builders of one kind by name; ``kind`` ("encoder") is how errors call it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry[BuiltT]] = {}

    def register(self, name: str, weights_licence: str = "") -> Callable[[BuilderT], BuilderT]:
        """Decorator that enters a builder under ``name``.

        The first line of its docstring is its summary; ``weights_licence`` is that of the
        published weights it can hold.
        """

        def enter(builder: BuilderT) -> BuilderT:
            if name in self._entries:
                raise ValueError(f"two builders of the {self.kind} {name!r}")
            summary = (inspect.getdoc(builder) or "").partition("\n")[0]
            self._entries[name] = Entry(name, builder, summary, weights_licence)  # type: ignore[arg-type]
            return builder

        return enter

    def __getitem__(self, name: str) -> Entry[BuiltT]:
        """Raises `InputError` with the nearest known names for an unknown one."""
        if not isinstance(name, str) or name not in self._entries:
            near = difflib.get_close_matches(str(name), self._entries, n=3, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}?" if near else "choose one of these:"
            known = f"(known: {', '.join(sorted(self._entries))})"
            raise InputError(f"unknown {self.kind} {name!r}", f"{hint} {known}")
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def build(self, name: str, /, *args: Any, **options: Any) -> BuiltT:
        """Call the builder; raises `InputError` for an unknown name or option, or a bad value."""
        builder = self[name].builder
        parameters = inspect.signature(builder, eval_str=True).parameters
        for option, value in options.items():
            if option not in parameters:
                takes = ", ".join(list(parameters)[len(args) :]) or "none"
                raise InputError(
                    f"{self.kind} {name!r} has no option {option!r}", f"its options are {takes}"
                )
            try:
                TypeAdapter(parameters[option].annotation, config=_CONFIG).validate_python(value)
            except ValidationError as error:
                given = f"{self.kind} {name!r} with {option} {reprlib.repr(value)}"
                raise InputError(given, error.errors()[0]["msg"]) from None
        return builder(*args, **options)


_CONFIG = ConfigDict(strict=True, arbitrary_types_allowed=True)

ENCODERS: Registry[Encoder] = Registry("encoder")
"""Builders ``(**options) -> Encoder``."""
BRIDGES: Registry[nn.Module] = Registry("bridge")
"""Builders ``(in_channels, channels) -> nn.Module``."""
REFINEMENTS: Registry[nn.Module] = Registry("refinement")
"""Builders ``(skip_channels, channels) -> nn.Module``."""
MODELS: Registry[SegmentationNetwork] = Registry("model")
"""Builders ``(**options) -> SegmentationNetwork``; options are strings and numbers."""

register_encoder = ENCODERS.register
register_bridge = BRIDGES.register
register_refinement = REFINEMENTS.register
register_model = MODELS.register


def create_model(name: str, /, **options: Any) -> SegmentationNetwork:
    """A network with fresh weights, in training mode.

    ``create_model("3dc-seg", encoder="ir-csn-152", bridge="gc3d", refinement="rf3d")`` is the
    paper's. Raises `InputError` for unknown names and options, with the nearest known ones.
    """
    network = MODELS.build(name, **options)
    network.name, network.options = name, options
    return network
