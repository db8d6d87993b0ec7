"""Where a network computes, and in what precision."""

from typing import Literal, get_args

import torch

from threedcseg.errors import InputError

Precision = Literal["auto", "float32", "bfloat16", "float16"]


def pick_device(name: str = "auto") -> torch.device:
    """``"auto"`` is CUDA, else MPS, else the CPU. Raises `InputError` for one that is not there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"unknown device {name!r}", "give auto, cpu, cuda, cuda:1 or mps")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise InputError(
            f"device {name!r} asked for, {found} CUDA devices found", "try --device cpu"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("device 'mps' asked for, but there is none here", "try --device cpu")
    return device


def pick_precision(
    precision: Precision, device: torch.device, recommended: str | None = None
) -> torch.dtype:
    """The dtype that ``precision`` means; raises `InputError` for one the device has not.

    "auto" is float32, but for weights whose card recommends bfloat16, which were found to give
    the same masks in it: bfloat16 on a CPU that computes in it, float16, which is eight times as
    exact, on a CUDA GPU.
    """
    known = get_args(Precision)
    if precision not in known:
        raise InputError(f"unknown precision {precision!r}", f"give one of {', '.join(known)}")
    if precision == "float16" and device.type == "cpu":
        raise InputError("float16 needs a GPU", "give --precision bfloat16 or float32")
    if precision != "auto":
        dtype: torch.dtype = getattr(torch, precision)
        return dtype
    if recommended == "bfloat16" and device.type == "cuda":
        return torch.float16
    if recommended == "bfloat16" and device.type == "cpu" and computes_bfloat16():
        return torch.bfloat16
    return torch.float32


def computes_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16, and oneDNN uses them."""
    # Elsewhere oneDNN converts back and forth, which is slower than float32.
    has = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)
    uses = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", bool)
    return bool(has()) and bool(uses())
