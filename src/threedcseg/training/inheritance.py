"""Recipe files that extend others, and single values set on top of them."""

import copy
import re
from pathlib import Path
from typing import Any

import yaml

from threedcseg.errors import InputError
from threedcseg.reading import check_extent, parsed, read_text

MAX_RECIPE = 256 << 10  # bytes
MAX_ENTRIES = 20_000
MAX_CHAIN = 32  # recipes that extend each other


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes 1e-5, without a point, for a text; here it is a number, as in YAML 1.2.

    Merge keys, which YAML 1.2 has not either, are refused: nested, they grow without bounds.
    """

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise yaml.constructor.ConstructorError(
                None, None, "<< merges are not read: use `extends`", node.start_mark
            )
        super().flatten_mapping(node)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+[eE][-+]?\d+$"), list("-+0123456789")
)


def read_values(path: Path, extended_by: tuple[Path, ...] = ()) -> Any:
    """The plain values of a YAML file, merged into those of the file that it ``extends``.

    That file is looked for beside it. Raises `InputError` for files that are missing or no YAML,
    and where files extend each other in a circle.
    """
    try:
        text = read_text(path, MAX_RECIPE)
    except FileNotFoundError:
        hint = "recipes/ holds the ones that come along"
        if extended_by:
            hint = f"{extended_by[-1]} extends it: give its path from there"
        raise InputError(f"{path}: no such recipe", hint) from None
    if path.resolve() in (seen.resolve() for seen in extended_by):
        chain = " -> ".join(str(seen) for seen in (*extended_by, path))
        raise InputError(f"{path}: recipes extend each other in a circle ({chain})", "break it")
    if len(extended_by) == MAX_CHAIN:
        raise InputError(f"{path}: is extended by {MAX_CHAIN} recipes in a row", "merge some")
    values = _parsed(text, path)
    if not isinstance(values, dict) or "extends" not in values:
        return values
    base = values.pop("extends")
    if not isinstance(base, str):
        raise InputError(f"{path}: extends: {base!r} given", "expected the path of another recipe")
    return merge(read_values(path.parent / base, (*extended_by, path)), values)


def merge(base: Any, change: Any) -> Any:
    """``base`` with ``change`` on top.

    Mappings merge key by key, and None removes a key. A list of mappings with a ``name``, such as
    the stages, says which there are, and of one that ``base`` has by that name only what differs.
    Anything else is replaced.
    """
    if isinstance(base, dict) and isinstance(change, dict):
        merged = {key: merge(base.get(key), value) for key, value in change.items()}
        return {key: value for key, value in (base | merged).items() if value is not None}
    if _named(base) and _named(change):
        known = {item["name"]: item for item in base}
        return [merge(known.get(item["name"], {}), item) for item in change]
    return change


def set_value(values: Any, assignment: str) -> Any:
    """``values`` with one of them set: ``"optimizer=adam"``, ``"stages.0.steps=100"``.

    A path goes through mappings by key and through lists by number or by name
    (``stages.clips.steps``); what comes after the = is YAML. Raises `InputError` for a path that
    leads nowhere; unknown keys are for `read_recipe` to find.
    """
    path, equals, text = assignment.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise InputError(f"--set {assignment}", "expected KEY=VALUE, such as stages.0.steps=100")
    try:
        value = _parsed(text, f"--set {assignment}")
    except InputError as error:
        raise InputError(error.what, "quote it") from None
    values = copy.deepcopy(values)
    place = values
    index: int | str
    for depth, key in enumerate(keys):
        if isinstance(place, list):
            index = _index(place, key, f"--set {assignment}: {'.'.join(keys[:depth])}")
        elif isinstance(place, dict):
            index = key
        else:
            raise InputError(
                f"--set {assignment}: {'.'.join(keys[:depth])} is {place!r}, which has no {key!r}",
                "set it as a whole",
            )
        if depth == len(keys) - 1:
            place[index] = value
        elif isinstance(place, dict) and place.get(index) is None:
            place[index] = {}
        place = place[index]
    return values


def _parsed(text: str, origin: object) -> Any:
    def load(text: str) -> Any:
        return yaml.load(text, _Loader)

    values = parsed(load, text, origin, "YAML", also=(yaml.YAMLError,))
    check_extent(values, origin, MAX_ENTRIES)
    return values


def _named(items: Any) -> bool:
    return (
        isinstance(items, list)
        and bool(items)
        and all(isinstance(item, dict) and "name" in item for item in items)
    )


def _index(items: list[Any], key: str, where: str) -> int:
    if re.fullmatch("[0-9]{1,9}", key) and int(key) < len(items):
        return int(key)
    names = [item.get("name") for item in items if isinstance(item, dict)]
    if key in names:
        return names.index(key)
    known = ", ".join(str(name) for name in names if name is not None)
    raise InputError(
        f"{where} has no entry {key!r}",
        f"give 0 to {len(items) - 1}{' or ' * bool(known)}{known}",
    )
