"""`3dcseg figure`: overlays in a grid, as in the figures of the paper."""

import argparse
from pathlib import Path

EPILOG = """\
One sequence a row, frames evenly spaced from the first to the last. The ending of OUTPUT says what
it is: .png or .pdf; give both to have both.

Examples:
  3dcseg figure DAVIS/JPEGImages/480p masks -o figure.png
  3dcseg figure DAVIS/JPEGImages/480p masks -o figure.png figure.pdf --sequences dog,libby
  3dcseg figure frames/dog masks/dog -o dog.pdf --frames 3 --no-labels
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    parser.epilog = EPILOG
    parser.add_argument("images", type=Path, metavar="FRAMES", help="folder of SEQ/*.jpg")
    parser.add_argument("masks", type=Path, metavar="MASKS", help="folder of SEQ/*.png")
    parser.add_argument(
        "-o", "--output", type=Path, nargs="+", required=True, metavar="OUTPUT", help=".png or .pdf"
    )
    parser.add_argument(
        "--sequences", metavar="NAMES", help="names with commas between, or a file of one a line"
    )
    parser.add_argument(
        "--frames", type=int, default=5, metavar="N", help="of each sequence (default: 5)"
    )
    parser.add_argument(
        "--no-labels", dest="labels", action="store_false", help="no names beside the rows"
    )


def run(args: argparse.Namespace) -> int:
    """Draw the figure; returns 0."""
    from threedcseg.evaluation.pairing import sequence_names
    from threedcseg.report.figure import check_outputs, grid, write_figure

    check_outputs(args.output)
    names = None if args.sequences is None else sequence_names(args.sequences)
    rows = grid(args.images, args.masks, names, args.frames)
    write_figure(rows, args.output, labels=args.labels)
    for output in args.output:
        print(f"figure: {output}")
    return 0
