"""`3dcseg segment`: videos in, masks out."""

import argparse
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from threedcseg.cli.live import STDOUT, add_live, check_live_options, live_from, run_live
from threedcseg.cli.options import ModelChoice, add_model, add_settings, model_from, settings_from
from threedcseg.errors import InputError

if TYPE_CHECKING:
    from threedcseg.outputs.rendering import Rendering
    from threedcseg.segmentation.batch import VideoOutcome
    from threedcseg.segmentation.shards import Shard
    from threedcseg.segmentation.task import Task
    from threedcseg.video.reader import Reading

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
    reading = parser.add_argument_group("reading")
    reading.add_argument(
        "--fps",
        metavar="RATE",
        help="frames a second of folders of frames (24), or of raw frames (25); 30000/1001, say",
    )
    reading.add_argument(
        "--no-deinterlace", action="store_true", help="leave interlaced pictures as they are"
    )
    add_model(parser, default="compact")
    add_settings(parser)
    add_live(parser)


def outputs_from(args: argparse.Namespace) -> tuple[tuple[str, ...], "Rendering"]:
    """What to write, and how it is drawn."""
    from threedcseg.outputs.formats import parse_outputs
    from threedcseg.outputs.rendering import Rendering

    extra = [name for name in ("probabilities", "overlay") if getattr(args, name)]
    rendering = Rendering(args.edges)
    write = parse_outputs(",".join([args.write, *extra]))
    if args.background is not None:
        if "cutout" not in write:
            raise InputError("--background goes with the cut-out", "add --write cutout")
        rendering = Rendering(args.edges, args.background)
    rendering.check()
    return write, rendering


def reading_from(args: argparse.Namespace, videos: list[Path]) -> "Reading":
    """How the videos are read; `InputError` for a rate that is none, or that a file has itself."""
    from threedcseg.video.pipe import parse_rate
    from threedcseg.video.reader import Reading

    if args.fps is None or args.size is not None:
        return Reading(deinterlace=not args.no_deinterlace)
    if not videos or not all(video.is_dir() for video in videos):
        file = next((video for video in videos if not video.is_dir()), args.inputs[0])
        raise InputError(
            f"--fps is for folders of frames, {file} has a rate of its own", "leave it out"
        )
    return Reading(parse_rate(args.fps), not args.no_deinterlace)


def videos_from(args: argparse.Namespace) -> list[Path]:
    """The videos and folders of frames that are given or listed."""
    from threedcseg.segmentation.manifest import read_manifest
    from threedcseg.video.paths import expand_inputs

    if args.manifest is None:
        for option in ("shard", "ray"):
            if getattr(args, option) is not None:
                raise InputError(
                    f"--{option} goes with --manifest FILE", "name one input a line in it"
                )
        return expand_inputs(args.inputs)
    if args.inputs:
        raise InputError(f"give --manifest {args.manifest} or inputs ({args.inputs[0]}), not both")
    if args.ray_workers is not None and (args.ray is None or args.ray_workers < 1):
        raise InputError(f"--ray-workers {args.ray_workers}", "give a number from 1 on, with --ray")
    if args.ray is not None and args.shard is not None:
        raise InputError("give --shard or --ray, which shares the list by itself, not both")
    return read_manifest(args.manifest)


def run(args: argparse.Namespace) -> int:
    """Segment every input; returns 0, or 2 where some of a list could not be used."""
    from threedcseg.cli.progress import frame_progress
    from threedcseg.segmentation.shards import Shard
    from threedcseg.video.live import is_address, is_live
    from threedcseg.video.paths import output_names

    # Bad input is refused before torch is imported
    live = any(map(is_live, args.inputs))
    check_live_options(args, live)
    settings = settings_from(args, "live" if live else "default")
    write, rendering = outputs_from(args)
    model = model_from(args)
    alone = any(map(is_address, args.inputs)) or args.output == STDOUT
    if alone:
        if args.manifest is not None or len(args.inputs) != 1:
            raise InputError(
                "a live input, or masks to standard output (-o -), goes alone", "give one INPUT"
            )
        if args.output == STDOUT and write != ("masks",):
            raise InputError("standard output takes masks only", "give -o DIR for other formats")
    videos = [] if alone else videos_from(args)
    reading = reading_from(args, videos)
    names = output_names(videos)
    jobs = [(video, args.output / name) for video, name in zip(videos, names, strict=True)]
    shard = Shard() if args.shard is None else Shard.parse(args.shard)
    if args.shard is None and args.manifest is not None and args.ray is None:
        shard = Shard.from_environment(os.environ)

    from threedcseg.segmentation.task import Task

    task = Task(model.load, settings.on, write, rendering, frame_progress, reading)
    if alone:
        return run_live(args.inputs[0], live_from(args), args.output, task.start())
    if args.manifest is None:
        return _run_here(jobs, task)
    if args.ray is not None:
        return _run_on_ray(jobs, task, args.ray, args.ray_workers, model.device)
    return _run_shard(jobs, shard, task, model)


Jobs = list[tuple[Path, Path]]
"""Videos, or folders of frames, with the folders for their results."""


def _run_here(jobs: Jobs, task: "Task") -> int:
    worker = task.start()
    for path, folder in jobs:
        print(worker(path, folder), flush=True)
    return 0


def _run_shard(jobs: Jobs, shard: "Shard", task: "Task", model: ModelChoice) -> int:
    import torch

    from threedcseg.segmentation.batch import Tally, do_once
    from threedcseg.segmentation.shards import own_device

    device = own_device(model.device, os.environ, torch.cuda.device_count())
    worker = replace(task, load=replace(model, device=device).load).start()
    ours = shard.of(jobs)
    print(f"shard {shard}: {len(ours)} of {len(jobs)} videos", file=sys.stderr)
    tally = Tally.of((do_once(*job, worker, worker.terms) for job in ours), _print)
    print(f"shard {shard}: {tally}", file=sys.stderr)
    return 2 if tally.failed else 0


def _run_on_ray(jobs: Jobs, task: "Task", address: str, count: int | None, device: str) -> int:
    from threedcseg.segmentation.batch import Tally
    from threedcseg.segmentation.ray import Workers, connected, over_cluster

    report = partial(_print, stdout=sys.stdout)
    with connected(address, count) as machines:
        workers = Workers.on(machines, device, count)
        print(f"ray: {len(jobs)} videos, {workers}", file=sys.stderr)
        tally = Tally.of(over_cluster(jobs, task, workers), report)
    print(f"ray: {tally}", file=sys.stderr)
    return 2 if tally.failed else 0


def _print(outcome: "VideoOutcome", stdout: TextIO | None = None) -> None:
    stream = sys.stderr if outcome.kind == "failed" else stdout or sys.stdout
    print(outcome.message, file=stream, flush=True)
