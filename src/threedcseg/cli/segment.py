"""`3dcseg segment`: videos in, masks out."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from threedcseg.cli.live import STDOUT, add_live, check_live_options, run_live
from threedcseg.cli.options import ModelChoice, add_model, add_settings, model_from, settings_from
from threedcseg.errors import InputError

if TYPE_CHECKING:
    from threedcseg.outputs.choice import ObjectChoice
    from threedcseg.outputs.rendering import Rendering
    from threedcseg.segmentation.batch import VideoOutcome, Work
    from threedcseg.segmentation.shards import Shard
    from threedcseg.segmentation.task import Task
    from threedcseg.video.reader import Reading

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
    what = parser.add_argument_group("what to write")
    what.add_argument("--write", metavar="NAME[,NAME...]", help="see below (default: masks)")
    what.add_argument("--probabilities", action="store_true", help="write probabilities as well")
    what.add_argument("--overlay", action="store_true", help="write the overlay as well")
    what.add_argument("--objects", action="store_true", help="list the objects, with pictures")
    what.add_argument(
        "--edges",
        choices=["hard", "soft", "matte"],
        help="matte, cut-out and alpha from the masks (hard, default), from the probabilities, or "
        "by matting, which finds hair and motion blur and takes longer",
    )
    moved = what.add_mutually_exclusive_group()
    moved.add_argument(
        "--grow",
        type=int,
        default=0,
        metavar="PIXELS",
        help="make the object larger in all of them",
    )
    moved.add_argument("--shrink", type=int, default=0, metavar="PIXELS", help="or smaller")
    what.add_argument(
        "--feather",
        type=int,
        default=0,
        metavar="PIXELS",
        help="let the edges of matte, cut-out and alpha fade over so many more",
    )
    what.add_argument(
        "--background",
        metavar="COLOUR|FILE|blur|gray",
        help="behind the cut-out: a colour (default: green), image, video, or the frame, blurred "
        "or gray",
    )
    choice = parser.add_argument_group(
        "which objects",
        "by a point X,Y in pixels or shares of the frame (0.5,0.4 or 50%,40%), in the first frame\n"
        "or with @TIME (#30, or 1.5, or 1:02), or by number (docs/objects.md)",
    )
    for verb, box in (("keep", "keep-box"), ("drop", "drop-box")):
        others = "keep only the objects" if verb == "keep" else "take out the objects"
        choice.add_argument(
            f"--{verb}",
            action="append",
            default=[],
            metavar="X,Y[@TIME]|N",
            help=f"{others} given so; may be repeated",
        )
        choice.add_argument(
            f"--{box}",
            action="append",
            default=[],
            metavar="X0,Y0,X1,Y1[@TIME]",
            help="likewise, what lies in a box by half",
        )
    choice.add_argument(
        "--drop-small",
        type=float,
        default=0,
        metavar="SHARE",
        help="take out objects with less than this share of the largest one's pixels in their "
        "shot; 0.1, say",
    )
    choice.add_argument(
        "--corrected",
        type=Path,
        metavar="FILE|FOLDER",
        help="masks that a person has corrected (a folder, COCO JSON, XML of CVAT) replace ours, "
        "and mend the frames around",
    )
    reading = parser.add_argument_group("what to read")
    reading.add_argument(
        "--fps",
        metavar="RATE",
        help="frames a second of folders of frames (24), or of raw frames (25); 30000/1001, say",
    )
    reading.add_argument(
        "--start",
        metavar="TIME",
        help="only from there: seconds, HH:MM:SS.mmm, or a timecode HH:MM:SS:FF",
    )
    reading.add_argument("--end", metavar="TIME", help="only up to there")
    reading.add_argument(
        "--stills",
        action="store_true",
        help="a folder holds pictures to be taken each by itself, not frames of a video",
    )
    reading.add_argument(
        "--max-pixels",
        type=int,
        metavar="N",
        help="refuse larger frames (134217728, which is 16384x8192), before they take memory",
    )
    reading.add_argument(
        "--no-deinterlace", action="store_true", help="leave interlaced pictures as they are"
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
    add_model(parser, default="compact")
    add_settings(parser)
    add_live(parser)


def outputs_from(args: argparse.Namespace) -> tuple[tuple[str, ...], "Rendering"]:
    """What to write, and how it is drawn."""
    from threedcseg.cli.destination import looks_like_a_file
    from threedcseg.outputs.background import GREEN
    from threedcseg.outputs.formats import DEFAULT, FORMATS, parse_outputs
    from threedcseg.outputs.rendering import Rendering

    extra = [name for name in ("probabilities", "overlay", "objects") if getattr(args, name)]
    given = [] if args.write is None else [args.write]
    if not given and not (extra and looks_like_a_file(args.output or Path())):
        given = [DEFAULT]  # and what is asked for as well, but where one file is to be made
    write = parse_outputs(",".join([*given, *extra]))
    for option in ("edges", "feather", "background"):
        drawn = [name for name, each in FORMATS.items() if option in each.drawn_by]
        if getattr(args, option) and not set(write) & set(drawn):
            raise InputError(
                f"--{option} decides nothing of {', '.join(write)}",
                f"add --write {' or '.join(drawn)}",
            )
    for option in ("grow", "shrink", "feather"):
        if getattr(args, option) < 0:
            raise InputError(
                f"--{option} {getattr(args, option)}", "give a number of pixels from 0"
            )
    rendering = Rendering(
        args.edges or "hard", args.background or GREEN, args.grow - args.shrink, args.feather
    )
    rendering.check()
    return write, rendering


def choice_from(args: argparse.Namespace) -> "ObjectChoice":
    """Which objects are meant; `InputError` for what cannot be understood."""
    from threedcseg.outputs.choice import ObjectChoice, Pick

    for option, corners in (("keep", 2), ("keep_box", 4), ("drop", 2), ("drop_box", 4)):
        for text in getattr(args, option):
            pick = Pick.parse(text)
            if len(pick.place) != corners and (corners == 4 or pick.place):
                right = f"--{option[:4]}{'-box' * (corners == 2)}"
                raise InputError(f"--{option.replace('_', '-')} {text}", f"that is for {right}")
    keep, drop = (*args.keep, *args.keep_box), (*args.drop, *args.drop_box)
    choice = ObjectChoice(keep, drop, args.drop_small)
    choice.check()
    return choice


def reading_from(args: argparse.Namespace, videos: list[Path]) -> "Reading":
    """How the videos are read; `InputError` for a rate that is none, or that a file has itself."""
    from threedcseg.video.part import Part
    from threedcseg.video.pipe import parse_rate
    from threedcseg.video.reader import Reading
    from threedcseg.video.size import MAX_PIXELS

    part = Part.parse(args.start, args.end)
    most = MAX_PIXELS if args.max_pixels is None else args.max_pixels
    if most < 1:
        raise InputError(f"--max-pixels {most}", "give a number from 1 on")
    fps = None if args.fps is None else parse_rate(args.fps)
    folders = bool(videos) and all(video.is_dir() for video in videos)
    if fps is not None and args.size is None and not folders:
        file = next((video for video in videos if not video.is_dir()), args.inputs[0])
        raise InputError(
            f"--fps is for folders of frames, {file} has a rate of its own", "leave it out"
        )
    return Reading(fps, not args.no_deinterlace, part, most)


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
        return expand_inputs(args.inputs, args.stills)
    if args.inputs:
        raise InputError(f"give --manifest {args.manifest} or inputs ({args.inputs[0]}), not both")
    if args.ray_workers is not None and (args.ray is None or args.ray_workers < 1):
        raise InputError(f"--ray-workers {args.ray_workers}", "give a number from 1 on, with --ray")
    if args.ray is not None and args.shard is not None:
        raise InputError("give --shard or --ray, which shares the list by itself, not both")
    return read_manifest(args.manifest, args.stills)


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
    report = _Report(args)
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


def _run_here(jobs: Jobs, work: "Work", report: "_Report") -> int:
    from threedcseg.segmentation.batch import Tally, do_once

    tally = Tally.of((do_once(*job, work) for job in jobs), report)
    if len(jobs) > 1:
        report.say(str(tally))
    return 2 if tally.elsewhere else tally.status


def _run_shard(
    jobs: Jobs, shard: "Shard", task: "Task", model: ModelChoice, report: "_Report"
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
    jobs: Jobs, task: "Task", address: str, count: int | None, device: str, report: "_Report"
) -> int:
    from threedcseg.segmentation.batch import Tally
    from threedcseg.segmentation.ray import Workers, connected, over_cluster

    with connected(address, count) as machines:
        workers = Workers.on(machines, device, count)
        report.say(f"ray: {len(jobs)} videos, {workers}")
        tally = Tally.of(over_cluster(jobs, task, workers), report)
    report.say(f"ray: {tally}")
    return tally.status


class _Report:
    """What is told while the videos are done: for people or, with ``--json``, for programs."""

    def __init__(self, args: argparse.Namespace) -> None:
        from threedcseg.cli import progress

        self._json, self._quiet = args.json, args.quiet
        self._tells_done_before = args.manifest is None
        self._lists_objects = args.objects and args.manifest is None
        self._stdout = sys.stdout  # Ray's is another
        self.progress = progress.frame_progress
        if args.json:
            self.progress = progress.event_progress
        if args.quiet:
            self.progress = progress.no_progress

    def say(self, line: str) -> None:
        """Something for people alone."""
        if not self._quiet:
            print(line, file=sys.stderr, flush=True)

    def __call__(self, outcome: "VideoOutcome") -> None:
        from threedcseg.cli.progress import print_event

        if self._json:
            facts: dict[str, object] = {"video": str(outcome.video), "folder": str(outcome.folder)}
            if outcome.kind == "failed":
                print_event("failed", self._stdout, **facts, reason=outcome.reason)
            elif outcome.result is None:
                print_event("elsewhere", self._stdout, **facts)
            else:
                done = outcome.result
                facts |= {"frames": done.num_frames, "cuts": done.cuts}
                facts["damage"] = asdict(done.damage) if done.damage else None
                facts["doubtful"] = [(each.first, each.last) for each in done.doubtful]
                print_event("done", self._stdout, **facts, done_before=done.done_before)
        elif outcome.result is None:
            print(f"error: {outcome}", file=sys.stderr, flush=True)
        elif outcome.damage and self._quiet:
            print(f"damaged: {outcome}", file=sys.stderr, flush=True)
        elif not self._quiet and (outcome.kind == "done" or self._tells_done_before):
            from threedcseg.outputs.objects import lasting_objects

            lines = lasting_objects(outcome.folder) if self._lists_objects else ()
            print(outcome, *lines, sep="\n", file=self._stdout, flush=True)
