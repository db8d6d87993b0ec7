"""`3dcseg segment`: videos in, masks out."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threedcseg.inference.settings import Settings

EPILOG = """\
Each input gets a folder of its own below the output folder:
  NAME/00000.png ...             masks, 0 and 255, at the source's size
  NAME/probabilities/00000.png   with --probabilities, 8 bits
  NAME/overlay.mp4               with --overlay, the original timing and sound kept
  NAME/3dcseg.json               written last: without it, the folder is unfinished

Examples:
  3dcseg segment dog.mp4 -o masks
  3dcseg segment dog.mp4 -o masks --overlay
  3dcseg segment holiday/*.mov frames/ -o masks --probabilities
  3dcseg segment dog.mp4 -o masks --model 3dc-seg --weights official.safetensors --preset published
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    parser.epilog = EPILOG
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="a video file, a folder of frames, or a folder of videos",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the results"
    )
    what = parser.add_argument_group("what to write, beside the masks")
    what.add_argument("--probabilities", action="store_true", help="probability maps as 8-bit PNG")
    what.add_argument("--overlay", action="store_true", help="the video with the object tinted")
    add_model(parser, default="compact")
    add_settings(parser)


def add_model(parser: argparse.ArgumentParser, default: str | None) -> None:
    """The options that name a network and how it computes; shared with `evaluate --model`."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model", default=default, help="name, or a file of weights (default: compact)"
    )
    group.add_argument("--weights", type=Path, help="weights file for the named model")
    group.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    group.add_argument(
        "--precision",
        default="auto",
        help="float32, bfloat16, float16 (GPU) or auto (default): bfloat16 where the weights' card "
        "recommends it and the CPU computes in it, else float32",
    )


def add_settings(parser: argparse.ArgumentParser, threshold: bool = True) -> None:
    """The options that decide a mask besides the weights; shared with `evaluate --model`, which
    has a ``threshold`` of its own."""
    group = parser.add_argument_group("windows and resolution")
    group.add_argument(
        "--preset",
        choices=["default", "published"],
        default="default",
        help="published: as the authors' code does (tail repeat-first, short edge 480 padded to "
        "32, nearest neighbour); the options below still overrule it",
    )
    group.add_argument("--clip-length", type=int, metavar="N", help="frames in a clip (8)")
    group.add_argument("--overlap", type=int, metavar="N", help="frames two clips share (3)")
    group.add_argument(
        "--dense", action="store_true", help="a clip ends at every frame: overlap = clip length - 1"
    )
    group.add_argument(
        "--tail",
        choices=["shift", "repeat-first"],
        help="the last clip: moved back to end at the last frame (shift, default) or filled up "
        "with its first frame",
    )
    group.add_argument(
        "--emit",
        choices=["final", "early"],
        help="hand a frame out once final (default), or early with the first clip that covers it",
    )
    group.add_argument("--short-edge", type=int, metavar="PIXELS", help="network resolution (288)")
    if threshold:
        group.add_argument("--threshold", type=float, metavar="P", help="mask where p > P (0.5)")


def settings_from(args: argparse.Namespace) -> "Settings":
    """The `Settings` that the arguments of `add_settings` mean."""
    from dataclasses import replace

    from threedcseg.inference.settings import PUBLISHED, Settings

    settings = PUBLISHED if args.preset == "published" else Settings()
    names = ["clip_length", "overlap", "tail", "emit", "short_edge", "threshold"]
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    settings = replace(settings, **given)
    if args.dense:
        settings = replace(settings, overlap=settings.clip_length - 1)
    settings.check()
    return settings


def run(args: argparse.Namespace) -> int:
    """Segment every input; returns 0."""
    from threedcseg.video.inputs import expand_inputs, output_names

    settings = settings_from(args)
    inputs = expand_inputs(args.inputs)  # bad input is told before torch is imported
    from threedcseg.cli.progress import frame_progress
    from threedcseg.inference.files import Product, segment_video
    from threedcseg.models import load_model, provenance

    network = load_model(args.model, args.device, args.weights, args.precision)
    made_by = provenance(args.model, args.weights)
    print(f"model {args.model} on {next(network.parameters()).device}", file=sys.stderr)
    write: tuple[Product, ...] = ("masks",)
    if args.probabilities:
        write += ("probabilities",)
    if args.overlay:
        write += ("overlay",)
    for path, name in zip(inputs, output_names(inputs), strict=True):
        with frame_progress(name) as tick:
            result = segment_video(
                path,
                args.output / name,
                network,
                settings,
                write=write,
                provenance=made_by,
                on_frame=tick,
            )
        print(f"{result.num_frames} frames of {path} -> {result.folder}")
    return 0
