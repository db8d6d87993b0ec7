"""`3dcseg segment`: videos in, masks out."""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from threedcseg.cli.live import STDOUT, add_live, check_live, run_live
from threedcseg.cli.options import add_model, load_named
from threedcseg.errors import InputError

if TYPE_CHECKING:
    from threedcseg.inference.predictor import Network
    from threedcseg.inference.settings import Settings
    from threedcseg.outputs.record import Provenance
    from threedcseg.outputs.rendering import Rendering
    from threedcseg.segmentation.batch import VideoOutcome
    from threedcseg.segmentation.shards import Shard
    from threedcseg.segmentation.task import Task

EPILOG = """\
Each input gets a folder of its own below the output folder:
  NAME/00000.png ...             masks, 0 and 255, at the source's size
  NAME/3dcseg.json               written last: without it, the folder is unfinished

--write takes one or more of these, with commas between; videos keep timing and sound:
{formats}

Examples:
  3dcseg segment dog.mp4 -o masks
  3dcseg segment dog.mp4 -o masks --overlay
  3dcseg segment dog.mp4 -o edit --write matte,alpha.mov --edges soft
  3dcseg segment dog.mp4 -o edit --write cutout --background beach.jpg
  3dcseg segment holiday/*.mov frames/ -o masks --write masks,probabilities,boxes
  3dcseg segment dog.mp4 -o masks --model 3dc-seg --weights official.safetensors --preset published
  3dcseg segment --manifest list.txt --shard 2/8 -o masks
  3dcseg segment --manifest list.txt --ray -o masks
  3dcseg segment camera:0 -o live --write overlay
  ffmpeg -i dog.mp4 -f yuv4mpegpipe - | 3dcseg segment - -o - | ffplay -
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    from threedcseg.outputs.formats import describe_formats

    parser.epilog = EPILOG.replace("{formats}", describe_formats())
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="INPUT",
        help="a video file, a folder of frames, a folder of videos, or a live source (see below)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the results; - for masks to a pipe",
    )
    many = parser.add_argument_group(
        "many videos", "what an earlier run, or another process, has done is not done again"
    )
    many.add_argument(
        "--manifest", type=Path, metavar="FILE", help="a text file that names one INPUT a line"
    )
    many.add_argument(
        "--shard",
        metavar="I/N",
        help="part I of N of the list (default: by torchrun's or SLURM's variables, else all)",
    )
    many.add_argument(
        "--ray",
        nargs="?",
        const="here",
        metavar="ADDRESS",
        help="share the list among workers of a Ray cluster: of this machine, or auto, HOST:PORT",
    )
    many.add_argument(
        "--ray-workers", type=int, metavar="N", help="default: one a GPU, else one a machine"
    )
    what = parser.add_argument_group("what to write")
    what.add_argument(
        "--write", default="masks", metavar="NAME[,NAME...]", help="see below (default: masks)"
    )
    what.add_argument("--probabilities", action="store_true", help="write probabilities as well")
    what.add_argument("--overlay", action="store_true", help="write the overlay as well")
    what.add_argument(
        "--edges",
        choices=["hard", "soft"],
        default="hard",
        help="matte, cut-out and alpha from the masks (hard, default) or the probabilities",
    )
    what.add_argument(
        "--background",
        metavar="COLOUR|FILE",
        help="behind the cut-out: a colour, image or video (default: green)",
    )
    add_model(parser, default="compact")
    add_settings(parser)
    add_live(parser)


def add_settings(parser: argparse.ArgumentParser, threshold: bool = True) -> None:
    """The options that decide a mask besides the weights; shared with `evaluate --model`, which
    has a ``threshold`` of its own."""
    group = parser.add_argument_group("windows and resolution")
    group.add_argument(
        "--preset",
        choices=["default", "published"],
        default="default",
        help="published: as the authors' code does (tail repeat-first, short edge 480 padded to "
        "32, nearest neighbour, cuts ignored); the options below still overrule it",
    )
    group.add_argument("--clip-length", type=int, metavar="N", help="frames in a clip (8)")
    group.add_argument("--overlap", type=int, metavar="N", help="frames two clips share (0)")
    group.add_argument(
        "--dense",
        action="store_true",
        help="a clip ends at every frame: overlap = clip length - 1, spacing 1",
    )
    group.add_argument(
        "--spacing",
        type=int,
        metavar="N",
        help="a clip takes every N-th frame, to see more of the video (6; 1: frames in a row)",
    )
    group.add_argument(
        "--views",
        type=int,
        metavar="N",
        help="views of each clip to average, mirrored and smaller ones too: 1 (fastest) to 4 (4)",
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
    group.add_argument(
        "--upsampling",
        choices=["guided", "linear", "nearest"],
        help="to the frame's size: edges follow the image (guided, default), or linear, nearest",
    )
    group.add_argument(
        "--shots",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="begin anew at every hard cut (default), or let clips run across cuts",
    )
    if threshold:
        group.add_argument("--threshold", type=float, metavar="P", help="mask where p > P (0.5)")
    cleaning = parser.add_argument_group("cleaning", "off by default (docs/outputs.md)")
    cleaning.add_argument(
        "--keep-largest", type=int, metavar="N", help="keep the N largest regions of each mask"
    )
    cleaning.add_argument(
        "--drop-specks",
        type=float,
        metavar="SHARE",
        help="drop regions smaller than this share of the frame, such as 0.001",
    )
    cleaning.add_argument(
        "--median", type=int, metavar="FRAMES", help="median over time, of an odd number of frames"
    )


def settings_from(args: argparse.Namespace, default: "Settings | None" = None) -> "Settings":
    """The `Settings` that the arguments of `add_settings` mean, on top of ``default``."""
    from dataclasses import replace

    from threedcseg.inference.settings import PUBLISHED, Settings

    settings = PUBLISHED if args.preset == "published" else default or Settings()
    names = ["clip_length", "overlap", "spacing", "views", "tail", "emit", "short_edge"]
    names += ["upsampling", "shots", "threshold", "keep_largest", "drop_specks", "median"]
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if "clip_length" in given:
        given = {"overlap": min(settings.overlap, given["clip_length"] - 1), **given}
    settings = replace(settings, **given)
    if args.dense:
        settings = replace(settings, overlap=settings.clip_length - 1, spacing=1)
    settings.check()
    return settings


def outputs_from(args: argparse.Namespace) -> tuple[tuple[str, ...], "Rendering"]:
    """What to write, and how it is drawn."""
    from threedcseg.outputs.formats import parse_outputs
    from threedcseg.outputs.rendering import Rendering

    extra = [name for name in ("probabilities", "overlay") if getattr(args, name)]
    rendering = Rendering(args.edges)
    if args.background is not None:
        rendering = Rendering(args.edges, args.background)
    rendering.check()
    return parse_outputs(",".join([args.write, *extra])), rendering


def run(args: argparse.Namespace) -> int:
    """Segment every input; returns 0, or 2 where some of a list could not be used."""
    from threedcseg.cli.progress import frame_progress
    from threedcseg.inference.settings import LIVE
    from threedcseg.segmentation.batch import Tally, do_once
    from threedcseg.segmentation.shards import own_device
    from threedcseg.segmentation.task import Task
    from threedcseg.video.live import is_live
    from threedcseg.video.paths import output_names

    live = any(map(is_live, args.inputs))
    settings = settings_from(args, LIVE if live else None)
    write, rendering = outputs_from(args)
    if live or args.output == STDOUT:
        check_live(args)
        network, provenance = _load(args, args.device)
        return run_live(args, settings, network, write, rendering, provenance)
    inputs, shard = inputs_from(args)  # bad input is told before torch is imported
    names = output_names(inputs)
    folders = [(path, args.output / name) for path, name in zip(inputs, names, strict=True)]
    if args.ray is not None:
        load = partial(_load, args, args.device)
        task = Task(load, settings, write, rendering, frame_progress)
        return _run_on_ray(args, folders, task)
    jobs = shard.of(folders)
    import torch

    device = args.device
    if args.manifest is not None:
        device = own_device(device, os.environ, torch.cuda.device_count())
    task = Task(partial(_load, args, device), settings, write, rendering, frame_progress)
    worker = task.start()
    if args.manifest is None:
        for path, folder in jobs:
            print(worker(path, folder), flush=True)
        return 0
    print(f"shard {shard}: {len(jobs)} of {len(inputs)} videos", file=sys.stderr)
    tally = Tally.of((do_once(*job, worker, worker.terms) for job in jobs), _tell)
    print(f"shard {shard}: {tally}", file=sys.stderr)
    return 2 if tally.failed else 0


def _load(args: argparse.Namespace, device: str) -> tuple["Network", "Provenance"]:
    from threedcseg.outputs.record import Provenance

    network, made_by = load_named(args, device)
    return network, Provenance(**made_by)


def _run_on_ray(args: argparse.Namespace, jobs: list[tuple[Path, Path]], task: "Task") -> int:
    from threedcseg.segmentation.batch import Tally
    from threedcseg.segmentation.ray import Workers, connected, over_cluster

    tell = partial(_tell, stdout=sys.stdout)
    with connected(args.ray, args.ray_workers) as machines:
        workers = Workers.on(machines, args.device, args.ray_workers)
        print(f"ray: {len(jobs)} videos, {workers}", file=sys.stderr)
        tally = Tally.of(over_cluster(jobs, task, workers), tell)
    print(f"ray: {tally}", file=sys.stderr)
    return 2 if tally.failed else 0


def _tell(outcome: "VideoOutcome", stdout: TextIO | None = None) -> None:
    stream = sys.stderr if outcome.kind == "failed" else stdout or sys.stdout
    print(outcome.said, file=stream, flush=True)


def inputs_from(args: argparse.Namespace) -> tuple[list[Path], "Shard"]:
    """All videos that are given or listed, and this process's share of them."""
    from threedcseg.segmentation.manifest import read_manifest
    from threedcseg.segmentation.shards import Shard
    from threedcseg.video.paths import expand_inputs

    if args.manifest is None:
        for option in ("shard", "ray"):
            if getattr(args, option) is not None:
                raise InputError(
                    f"--{option} goes with --manifest FILE, which names one input a line"
                )
        return expand_inputs(args.inputs), Shard()
    if args.inputs:
        raise InputError(f"give --manifest {args.manifest} or inputs ({args.inputs[0]}), not both")
    if args.ray_workers is not None and (args.ray is None or args.ray_workers < 1):
        raise InputError(f"--ray-workers {args.ray_workers}: give a number from 1 on, with --ray")
    if args.ray is not None:
        if args.shard is not None:
            raise InputError("give --shard or --ray, which shares the list by itself, not both")
        return read_manifest(args.manifest), Shard()
    if args.shard is not None:
        return read_manifest(args.manifest), Shard.parse(args.shard)
    return read_manifest(args.manifest), Shard.from_environment(os.environ)
