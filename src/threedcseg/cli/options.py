"""The options that name a network and what it runs on, and the network they name."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threedcseg.inference.predictor import Network


def add_model(parser: argparse.ArgumentParser, default: str | None) -> None:
    """The options that name a network and how it computes; shared with `evaluate --model`."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        default=default,
        help="name, or a file of weights or of `3dcseg export` (default: compact)",
    )
    group.add_argument("--weights", type=Path, help="weights file for the named model")
    group.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    group.add_argument(
        "--precision",
        default="auto",
        help="float32, bfloat16, float16 (GPU) or auto (default): bfloat16 where the weights' card "
        "recommends it and the CPU computes in it, else float32",
    )
    group.add_argument(
        "--runtime",
        choices=["onnxruntime", "openvino"],
        help="for exported files: what runs them (default: by their ending)",
    )


def load_named(args: argparse.Namespace, device: str) -> tuple["Network", dict[str, Any]]:
    """The network ready to segment, and what the record says of it; prints what it runs on."""
    from threedcseg.errors import InputError
    from threedcseg.models import load_model, provenance
    from threedcseg.models.fast.prepare import precision_of
    from threedcseg.runtimes import exported

    if exported.is_exported(args.model):
        if args.weights is not None or args.precision != "auto" or device not in ("auto", "cpu"):
            raise InputError(
                f"{args.model} is an exported file: --weights, --precision and --device do not "
                "apply to it; leave them out, or give the model's name"
            )
        runtime = args.runtime or exported.ENDINGS[Path(args.model).suffix]
        network = exported.open_exported(args.model, runtime)
        print(f"model {args.model} with {runtime} on cpu", file=sys.stderr)
        return network, {**exported.provenance(args.model, runtime)}
    if args.runtime is not None:
        raise InputError(
            f"--runtime {args.runtime} runs exported files: make one with `3dcseg export "
            f"{args.model} -o FILE.onnx` and give it as --model"
        )
    loaded = load_model(args.model, device, args.weights, args.precision)
    print(f"model {args.model} on {next(loaded.parameters()).device}", file=sys.stderr)
    made_by = provenance(args.model, args.weights)
    return loaded, {**made_by, "precision": precision_of(loaded)}


def threads(count: int | None) -> int:
    """What ``--workers`` gave, or one a core; raises `InputError` for less than one."""
    from threedcseg.errors import InputError

    if count is None:
        return os.cpu_count() or 1
    if count < 1:
        raise InputError(f"--workers {count} is out of range: give 1 or more")
    return count
