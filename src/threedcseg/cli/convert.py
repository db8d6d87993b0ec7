"""`3dcseg convert`: published checkpoints into safetensors."""

import argparse
from pathlib import Path

EPILOG = """\
Whole networks of 3DC-Seg and encoders of several makes are known, whatever the file is called
(docs/models.md; the error for an unknown one lists them).

Nothing in a file is executed: one that asks for more than arrays of numbers is refused. Every
tensor must be accounted for; what is left out is listed with the reason.

Examples:
  3dcseg convert bmvc_final.pth -o official.safetensors
  3dcseg segment dog.mp4 -o masks --model official.safetensors --preset published
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    parser.epilog = EPILOG
    parser.add_argument("source", type=Path, metavar="SOURCE", help="the published file")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="where to write; ends in .safetensors",
    )
    parser.add_argument(
        "--half", action="store_true", help="store convolution weights as float16: half the size"
    )


def run(args: argparse.Namespace) -> int:
    """Convert one file and say what was kept and what was left out; returns 0."""
    from threedcseg.errors import InputError, some

    if args.output.suffix != ".safetensors":
        raise InputError(f"{args.output}: the output's name must end in .safetensors")
    if not args.output.parent.is_dir():
        raise InputError(f"{args.output}: there is no folder {args.output.parent}", "make it first")
    from threedcseg.models.conversion import convert
    from threedcseg.models.weights import write_weights

    converted = convert(args.source)
    write_weights(args.output, converted.state, converted.metadata, half=args.half)
    metadata = converted.metadata
    for reason, names in converted.dropped.items():
        print(f"left out {len(names)} ({reason}): {some(names, 4)}")
    if "model" in metadata:
        options = ", ".join(metadata["options"].values())
        what = f"network {metadata['model']} ({options})"
    else:
        what = f"encoder {metadata['encoder']}"
    print(f"{what}: {len(converted.state)} tensors of {metadata['source']['kind']} kept")
    print(f"licence of the source: {metadata['licence']}")
    print(f"{args.source} -> {args.output}")
    return 0
