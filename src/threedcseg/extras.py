"""Packages that this one works without, each brought by one of its extras."""

import importlib
from types import ModuleType

from threedcseg.errors import InputError


def package(name: str, extra: str, what: str) -> ModuleType:
    """Import an optional package; `InputError` says that ``what`` needs it, and how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise not_installed(name.partition(".")[0], extra, what) from None


def not_installed(name: str | None, extra: str, what: str) -> InputError:
    """That ``what`` needs a package which this package's ``extra`` brings."""
    return InputError(
        f"{what} needs {name}, which is not installed", f"pip install 'threedcseg[{extra}]'"
    )
