"""`3dcseg segment`: videos in, masks out."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from threedcseg.cli.live import STDOUT, add_live, check_live_options, run_live
from threedcseg.cli.options import ModelChoice, add_model, add_settings, model_from, settings_from
from threedcseg.cli.segment_options import (
    add_choice,
    add_many,
    add_outputs,
    add_reading,
    choice_from,
    outputs_from,
    reading_from,
    videos_from,
)
from threedcseg.errors import InputError

if TYPE_CHECKING:
    from threedcseg.cli.outcomes import OutcomeReport
    from threedcseg.outputs.choice import ObjectChoice
    from threedcseg.segmentation.batch import Work
    from threedcseg.segmentation.shards import Shard
    from threedcseg.segmentation.task import Task

EPILOG = """\
Each input gets a folder of its own below the output folder:
  NAME/00000.png ...             masks, 0 and 255, at the source's size
  NAME/3dcseg.json               written last: without it, the folder is unfinished
The closing line tells how many masks are doubtful, and 3dcseg.json which.

--write takes one or more of these, with commas between; videos keep timing and sound:
{formats}

Exit status: 0 done; 2 an input cannot be used; 3 done, but an input is damaged, and frames of it
are lost or made up: how many, and from when on, is told (docs/reliability.md).

Examples:
  3dcseg segment dog.mp4 -o masks
  3dcseg segment dog.mp4 -o masks --overlay
  3dcseg segment dog.mp4 -o cut.mp4 --write cutout
  3dcseg segment dog.mp4 -o edit --write matte,alpha.mov --edges soft
  3dcseg segment dog.mp4 -o edit --write cutout --background beach.jpg
  3dcseg segment dog.mp4 -o blurred --write cutout --background blur --edges soft
  3dcseg segment film.mp4 -o part --start 1:02:00 --end 1:03:30 --write alpha.mov
  3dcseg segment dog.mp4 -o one --objects --keep 0.5,0.5
  3dcseg segment photo.jpg -o mask.png
  3dcseg segment photos/ --stills -o masks
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

    parser.usage = "3dcseg segment [options] INPUT [INPUT ...] [-o DIR]"
    parser.epilog = EPILOG.replace("{formats}", describe_formats())
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="INPUT",
        help="a video, a folder of frames, a folder of videos, a picture, or a live source (below)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for the results (default: INPUT-masks, beside it); a file, such as cut.mp4, "
        "for one input and one format; - for masks to a pipe",
    )
    parser.add_argument(
        "--redo",
        action="store_true",
        help="do again what is done, and replace results of another source",
    )
    said = parser.add_mutually_exclusive_group()
    said.add_argument("--quiet", action="store_true", help="say nothing but what went wrong")
    said.add_argument(
        "--json", action="store_true", help="say it in JSON, an object a line (docs/scale.md)"
    )
    add_outputs(parser)
    add_choice(parser)
    add_reading(parser)
    add_many(parser)
    add_model(parser, default="compact")
    add_settings(parser)
    add_live(parser)


def run(args: argparse.Namespace) -> int:
    """Segment every input; returns 0, 2 where some of them could not be used, or 3 where some of
    them are damaged."""
    try:
        return _run(args)
    except InputError as error:
        if args.json:
            from threedcseg.cli.progress import print_event

            print_event("failed", sys.stdout, video=None, reason=str(error))
        raise


def _run(args: argparse.Namespace) -> int:
    from threedcseg.cli.destination import check_file, default_folder, looks_like_a_file
    from threedcseg.cli.outcomes import OutcomeReport
    from threedcseg.segmentation.shards import Shard
    from threedcseg.video.live import is_address, is_live
    from threedcseg.video.paths import output_names

    # Bad input is refused before torch is imported
    live = any(map(is_live, args.inputs))
    check_live_options(args, live)
    settings = settings_from(args, "live" if live else "default")
    write, rendering = outputs_from(args)
    choice = choice_from(args)
    model = replace(model_from(args), quiet=args.quiet)
    alone = any(map(is_address, args.inputs)) or args.output == STDOUT
    if alone:
        _check_alone(args, write, choice)
    videos = [] if alone else videos_from(args)
    reading = reading_from(args, videos)
    output: Path = args.output or default_folder([args.manifest] if args.manifest else args.inputs)
    names = output_names(videos)
    jobs = [(video, output / name) for video, name in zip(videos, names, strict=True)]
    to_file = not alone and looks_like_a_file(output)
    if to_file:
        check_file(output, videos, write, args.redo)
        jobs = [(videos[0], output)]
    if args.corrected is not None and len(videos) > 1:
        raise InputError(
            f"--corrected {args.corrected} is of one video, {len(videos)} are given", "give that"
        )
    shard = Shard() if args.shard is None else Shard.parse(args.shard)
    if args.shard is None and args.manifest is not None and args.ray is None:
        shard = Shard.from_environment(os.environ)
    report = OutcomeReport(
        json=args.json,
        quiet=args.quiet,
        long_list=args.manifest is not None,
        objects=args.objects,
    )
    if args.output is None:
        report.say(f"no -o given: results go to {output}")

    from threedcseg.segmentation.task import Task

    task = Task(
        model.load,
        settings.on,
        write,
        rendering,
        report.progress,
        reading,
        args.redo,
        choice,
        args.corrected,
    )
    if alone:
        return run_live(args, task)
    if args.ray is not None:
        return _run_on_ray(jobs, task, args.ray, args.ray_workers, model.device, report)
    if args.manifest is not None:
        return _run_shard(jobs, shard, task, model, report)
    worker = task.start()
    return _run_here(jobs, worker.to_file if to_file else worker, report)


def _check_alone(args: argparse.Namespace, write: Sequence[str], choice: "ObjectChoice") -> None:
    """Raise `InputError` for what does not go with a live input or masks to a pipe."""
    from threedcseg.cli.destination import looks_like_a_file

    if args.manifest is not None or len(args.inputs) != 1:
        raise InputError(
            "a live input, or masks to standard output (-o -), goes alone", "give one INPUT"
        )
    if args.stills:
        raise InputError("--stills is for pictures in files here", "leave it out")
    if args.json:
        raise InputError("--json tells of files, not of live input or pipes", "leave it out")
    if args.output == STDOUT and write != ("masks",):
        raise InputError("standard output takes masks only", "give -o DIR for other formats")
    if choice or args.corrected is not None:
        raise InputError(
            "choosing or correcting objects needs a file or a folder, which is read twice",
            "record the input",
        )
    if args.output is None:
        raise InputError("a live input needs an output folder", "add one, such as -o live")
    if args.output != STDOUT and looks_like_a_file(args.output):
        raise InputError(f"-o {args.output}: a live input needs a folder", "give a folder")


Jobs = list[tuple[Path, Path]]
"""Videos, or folders of frames, with the folders for their results."""


def _run_here(jobs: Jobs, work: "Work", report: "OutcomeReport") -> int:
    from threedcseg.segmentation.batch import Tally, do_once

    tally = Tally.of((do_once(*job, work) for job in jobs), report)
    if len(jobs) > 1:
        report.say(str(tally))
    return 2 if tally.elsewhere else tally.status


def _run_shard(
    jobs: Jobs, shard: "Shard", task: "Task", model: ModelChoice, report: "OutcomeReport"
) -> int:
    import torch

    from threedcseg.segmentation.batch import Tally, do_once
    from threedcseg.segmentation.shards import own_device

    device = own_device(model.device, os.environ, torch.cuda.device_count())
    worker = replace(task, load=replace(model, device=device).load).start()
    ours = shard.of(jobs)
    report.say(f"shard {shard}: {len(ours)} of {len(jobs)} videos")
    tally = Tally.of((do_once(*job, worker) for job in ours), report)
    report.say(f"shard {shard}: {tally}")
    return tally.status


def _run_on_ray(
    jobs: Jobs, task: "Task", address: str, count: int | None, device: str, report: "OutcomeReport"
) -> int:
    from threedcseg.segmentation.batch import Tally
    from threedcseg.segmentation.ray import Workers, connected, over_cluster

    with connected(address, count) as machines:
        workers = Workers.on(machines, device, count)
        report.say(f"ray: {len(jobs)} videos, {workers}")
        tally = Tally.of(over_cluster(jobs, task, workers), report)
    report.say(f"ray: {tally}")
    return tally.status
