"""What `3dcseg segment` is asked: its options, declared, and the typed values that they give."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from threedcseg.errors import InputError

if TYPE_CHECKING:
    from threedcseg.outputs.choice import ObjectChoice
    from threedcseg.outputs.rendering import Rendering
    from threedcseg.video.reader import Reading


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """What to write, and how it is drawn."""
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


def outputs_from(args: argparse.Namespace) -> tuple[tuple[str, ...], "Rendering"]:
    """The formats that are asked for, and how they are drawn; `InputError` for what cannot be."""
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


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Which objects are meant."""
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


def choice_from(args: argparse.Namespace) -> "ObjectChoice":
    """The objects that are meant; `InputError` for what cannot be understood."""
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


def add_reading(parser: argparse.ArgumentParser) -> None:
    """What of the inputs is read, and how."""
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


def add_many(parser: argparse.ArgumentParser) -> None:
    """Lists of videos, and who does which of them."""
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
