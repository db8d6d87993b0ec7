"""`3dcseg average`: one network from several of a kind, by the mean of their weights."""

import argparse
from pathlib import Path
from typing import Any

EPILOG = """\
Networks that were trained on from the same weights, each in its own way, often make one that is
better than any of them. Give a file a share with a colon; it is 1 by default.

Examples:
  3dcseg average runs/a/model.safetensors runs/b/model.safetensors -o mean.safetensors
  3dcseg average a.safetensors:2 b.safetensors:1 -o mean.safetensors
"""


KEPT = ("clip_length", "settings", "precision", "licence")
"""What the header says of all networks, so that it may be said of their mean."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    parser.epilog = EPILOG
    parser.add_argument("files", nargs="+", metavar="FILE[:SHARE]", help="files of weights")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """Write the mean; returns 0."""
    from threedcseg.errors import InputError
    from threedcseg.models import load_network
    from threedcseg.models.weights import mean_of, save_weights

    files, shares = zip(*map(_parse, args.files), strict=True)
    networks = [load_network(file) for file in files]
    network, metadata = networks[0]
    for file, (other, _) in zip(files, networks, strict=True):
        if (other.name, other.options) != (network.name, network.options):
            raise InputError(
                f"{file}: holds {other.name} with {other.options}, the first file {network.name} "
                f"with {network.options}: only networks of a kind have a mean"
            )
    network.load_state_dict(mean_of([one.state_dict() for one, _ in networks], shares))
    kept: dict[str, Any] = {key: metadata[key] for key in KEPT if key in metadata}
    save_weights(args.output, network, {**kept, "mean_of": list(args.files)}, half=True)
    print(f"{args.output}: the mean of {len(files)} networks")
    return 0


def _parse(text: str) -> tuple[str, float]:
    """A file and its share."""
    from threedcseg.errors import InputError

    file, colon, share = text.rpartition(":")
    if not colon or "/" in share or "\\" in share:
        return text, 1.0
    try:
        value = float(share)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise InputError(f"{text}: {share!r} is no share", "give a number above 0 after the colon")
    return file, value
