"""Texts that others made, read within bounds: of size, of depth, of time.

A device, a pipe, a file without end and a text nested without end are one line of `InputError` like
any other that cannot be read; none of them takes the memory or the time of the whole run.
"""

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from threedcseg.errors import InputError

MAX_TEXT = 64 << 20
"""Bytes of a text, where the caller knows no better bound."""
MAX_DEPTH = 64
MAX_VALUES = 4_000_000
ValueT = TypeVar("ValueT")


def read_bounded(path: Path, most: int = MAX_TEXT) -> bytes:
    """What a file holds, if that is at most ``most`` bytes.

    Raises `InputError` for anything but a file that ends by then, and `OSError` as ever.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _AT_ONCE)
    except ValueError:  # a name that no file can have
        raise InputError(f"{str(path)!r} is no name of a file", "check it") from None
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(kind) and path.parent in _STREAMS:
            os.set_blocking(descriptor, True)
        elif stat.S_ISDIR(kind):
            raise InputError(f"{path} is a folder, expected a file", "name the file")
        elif not stat.S_ISREG(kind):
            raise InputError(f"{path} is no regular file but a device or a pipe", "copy it to one")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(most + 1)
    finally:
        os.close(descriptor)
    if len(content) > most:
        raise InputError(
            f"{path} is larger than {_size(most)}, the most that is read of such files"
        )
    return content


def read_text(path: Path, most: int = MAX_TEXT) -> str:
    """The text of a file, in UTF-8 with or without a mark; raises as `read_bounded`."""
    return parsed(
        lambda content: content.decode("utf-8-sig"), read_bounded(path, most), path, "UTF-8 text"
    )


def read_json(path: Path, most: int = MAX_TEXT) -> Any:
    """The values of a JSON file; raises as `read_bounded` and `parse_json`."""
    return parse_json(read_text(path, most), path)


def parse_json(text: str | bytes, origin: object) -> Any:
    """The values of a JSON text; `InputError` begins with ``origin`` where it is none.

    As it does for one that is nested deeper than `MAX_DEPTH`, on which later code would fail.
    """
    values = parsed(json.loads, text, origin, "JSON")
    check_extent(values, origin)
    return values


def parsed(
    parse: Callable[[Any], ValueT],
    text: Any,
    origin: object,
    kind: str,
    also: tuple[type[Exception], ...] = (),
) -> ValueT:
    """``parse(text)``, with whatever a text can make a parser raise as one line.

    ``also``: the exceptions of its own that ``parse`` has.
    """
    try:
        return parse(text)
    except InputError:
        raise
    except RecursionError:
        raise InputError(f"{origin}: no {kind} that can be read: nested too deeply") from None
    except MemoryError:
        raise InputError(f"{origin}: no {kind} that can be read: too large") from None
    except Exception as error:
        if not isinstance(error, (ValueError, OverflowError, *also)):
            raise
        raise InputError(f"{origin}: not valid {kind}: {shortly(error)}") from None


def check_extent(values: Any, origin: object, most: int = MAX_VALUES) -> None:
    """Raise `InputError` for values nested deeper than `MAX_DEPTH`, or of over ``most`` entries.

    Entries that stand in several places, as YAML's aliases do, count as often.
    """
    depth, level, count = 0, [values], 0
    while level:
        below = []
        for value in level:
            inside = value.values() if isinstance(value, Mapping) else value
            if isinstance(value, Mapping | list | tuple | set):
                count += len(value)
                if count > most:
                    raise InputError(f"{origin}: more than {most} entries, aliases counted")
                below += [each for each in inside if isinstance(each, Mapping | list | tuple | set)]
        level, depth = below, depth + 1
        if depth > MAX_DEPTH:
            raise InputError(f"{origin}: nested more than {MAX_DEPTH} deep")


def shortly(error: object, most: int = 200) -> str:
    """What an error says, in one line that is not too long."""
    text = " ".join(str(error).split())
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _size(num_bytes: int) -> str:
    return f"{num_bytes >> 20} MiB" if num_bytes >= 1 << 20 else f"{num_bytes >> 10} KiB"


_STREAMS = (Path("/dev"), Path("/dev/fd"))
"""Where standard input is, and what a shell puts for ``<(command)``: pipes of the caller's own."""
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""A pipe that nobody writes to is opened nevertheless, and then refused."""
