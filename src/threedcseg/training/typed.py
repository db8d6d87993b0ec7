"""Plain YAML values to typed ones: dataclasses, tuples, dicts, unions, literals and scalars."""

import dataclasses
import difflib
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from threedcseg.errors import InputError


def build(kind: Any, value: Any, where: str) -> Any:
    """Turn ``value`` into a ``kind``; ``where`` begins every message.

    Raises `InputError` naming the unknown or ill-typed key and the nearest known one, and for what
    a dataclass itself refuses when it is made.
    """
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
    if kind is float:
        value = _as_float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError(f"{where}: {value!r} should be of type {kind.__name__}")
    return value


def plain(value: Any) -> Any:
    """The YAML values that `build` would make ``value`` from."""
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
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
    values = {key: build(hints[key], item, f"{where}: {key}") for key, item in value.items()}
    try:
        return kind(**values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _as_float(value: Any) -> Any:
    """YAML 1.1 takes 1e-5, without a point, for a string."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _names(items: Any) -> str:
    return ", ".join(str(item) for item in items)
