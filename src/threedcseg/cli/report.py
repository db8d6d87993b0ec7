"""`3dcseg report`: results of evaluations as pages to read."""

import argparse
from pathlib import Path

EPILOG = """\
RUN is what `3dcseg evaluate ... --json RUN` wrote. Pictures are made from the folders it was scored
from: give the ground truth again; predictions and frames are found where they were, or named with
--predictions and --frames. Each mask is checked against the recorded J, so that no other file is
shown. Without --ground-truth, the report holds numbers and curves only.

Open OUTPUT/index.html in any browser; nothing is fetched from anywhere.

Examples:
  3dcseg evaluate masks DAVIS --split val --json masks.json
  3dcseg report masks.json -o report --ground-truth DAVIS --split val
  3dcseg report ours.json theirs.json -o report --ground-truth DAVIS/Annotations/480p
  3dcseg report masks.json -o report
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    parser.epilog = EPILOG
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="JSON of 3dcseg evaluate")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the report"
    )
    parser.add_argument("--names", metavar="NAMES", help="of the runs, with commas between")
    parser.add_argument(
        "--ground-truth", type=Path, metavar="DIR", help="folder of masks, or of a data set"
    )
    parser.add_argument("--split", help="split of the data set whose root --ground-truth is")
    parser.add_argument(
        "--predictions", type=Path, nargs="+", default=[], metavar="DIR", help="one for each run"
    )
    parser.add_argument(
        "--frames", type=Path, metavar="DIR", help="folder of SEQ/*.jpg, or of a DAVIS"
    )
    parser.add_argument(
        "--width", type=int, default=640, metavar="N", help="of the pictures in pixels (640)"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="threads (default: one a core)")


def run(args: argparse.Namespace) -> int:
    """Write the report; returns 0."""
    from threedcseg.cli.options import threads
    from threedcseg.cli.progress import count_progress
    from threedcseg.errors import InputError
    from threedcseg.report.page import check_replaceable, write_report
    from threedcseg.report.results import read_runs
    from threedcseg.report.scenes import find_scenes

    if args.width < 16:
        raise InputError(f"--width {args.width} is out of range", "give 16 or more")
    if args.ground_truth is None and (args.predictions or args.frames or args.split):
        raise InputError("pictures need the ground truth as well", "give --ground-truth")
    workers = threads(args.workers)
    check_replaceable(args.output)
    runs = read_runs(args.runs, args.names and [name.strip() for name in args.names.split(",")])
    scenes = []
    if args.ground_truth is not None:
        truth = args.ground_truth
        scenes = find_scenes(runs, truth, args.split, args.frames, args.predictions)
    with count_progress(sum(len(scene.frames) for scene in scenes)) as tick:
        write_report(runs, scenes, args.output, width=args.width, workers=workers, on_frame=tick)
    print(f"report: {args.output / 'index.html'}")
    if not scenes:
        print("without pictures: give --ground-truth for the player and the best and worst frames")
    return 0
