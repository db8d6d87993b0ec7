"""Caffe2 weights: pickles of numpy arrays, read without trusting them.

A pickle is a program. This reader answers its every request for a class or function itself: it
knows the four names that pickled numpy arrays ask for and gives its own stand-ins for them, which
build an array from plain bytes after checking its type and size. Any other name ends the reading.
The stand-ins hold for Python 2's pickles (the published ones) as for today's protocol 2.
"""

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from threedcseg.errors import InputError

KINDS = "fiub"
"""Kinds of numbers an array may hold: float, signed, unsigned, bool."""


class Refused(pickle.UnpicklingError):
    """The pickle asks for something that an array of numbers does not need."""


def read_blobs(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a Caffe2 pickle by blob name; raises `InputError` for anything else."""
    try:
        with open(path, "rb") as file:
            content = _Unpickler(file, encoding="latin1").load()
    except Refused as error:
        raise InputError(f"{path}: refused, {error}; only arrays of numbers are read") from error
    except Exception as error:  # a damaged pickle can fail in any way at all
        raise InputError(
            f"{path}: damaged, or neither a PyTorch checkpoint nor a pickle of arrays"
        ) from error
    if isinstance(content, dict) and isinstance(content.get("blobs"), dict):
        content = content["blobs"]
    if not isinstance(content, dict):
        raise InputError(f"{path}: a pickle without named arrays, not Caffe2 weights")
    blobs = {str(name): value.value for name, value in content.items() if _is_array(value)}
    if not blobs or len(blobs) < len(content):
        other = next((str(name) for name in content if str(name) not in blobs), "nothing")
        raise InputError(f"{path}: {other} is no array of numbers: not Caffe2 weights")
    return blobs


class _Type:
    """Stands in for `numpy.dtype`."""

    def __init__(self, name: object, *flags: object) -> None:
        dtype = np.dtype(name) if isinstance(name, str) and len(name) <= 4 else None
        if dtype is None or dtype.kind not in KINDS:
            raise Refused(f"an array of {name!r}")
        self.dtype = dtype

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order not in ("<", ">", "|", "="):
            raise Refused(f"the byte order {order!r}")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands in for `numpy.ndarray`; ``value`` is the array once its state has been read."""

    value: np.ndarray

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        if not isinstance(kind, _Type):
            raise Refused(f"an array of {kind!r}")
        if isinstance(data, str):  # Python 2
            data = data.encode("latin1")
        count = math.prod(int(side) for side in shape)
        if not isinstance(data, bytes) or len(data) != count * kind.dtype.itemsize:
            raise Refused(f"an array of shape {shape!r} with other than {count} numbers")
        flat = np.frombuffer(data, kind.dtype)
        native = flat.astype(kind.dtype.newbyteorder("="))  # writable, and as torch wants it
        self.value = native.reshape(shape, order="F" if fortran else "C")


def _reconstruct(kind: object, *_: object) -> _Array:
    if kind is not _Array:
        raise Refused(f"an array of the class {kind!r}")
    return _Array()


def _encode(text: object, encoding: object) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise Refused(f"text in {encoding!r}")
    return text.encode("latin1")


_STAND_INS = {
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,  # numpy 2
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise Refused(f"it asks for {module}.{name}")
        return _STAND_INS[module, name]


def _is_array(value: object) -> bool:
    return isinstance(value, _Array) and hasattr(value, "value")
