"""`3dcseg data check`: what a folder of data holds, what is missing, what to do."""

import argparse
import sys
from pathlib import Path

EPILOG = """\
docs/data.md says how to lay out each data set, and how to add one of your own.

Examples:
  3dcseg data check /data/DAVIS
  3dcseg data check /data/mine --kind folder
  3dcseg data check /data/coco --split train2017 --quick
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="find what a data set holds, what is missing or damaged, and what to do",
        description="Check a data set: find what it holds, what is missing or damaged, and say "
        "what to do. Exit status 2 if there are errors.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    check.add_argument("--kind", help="what it should be (default: recognised by its layout)")
    check.add_argument("--split", help="this split only (default: all that it has)")
    check.add_argument(
        "--quick", action="store_true", help="look at names only; decode no frames and masks"
    )


def run(args: argparse.Namespace) -> int:
    """Print what was found; returns 0, or 2 if there are errors."""
    from rich.console import Console
    from rich.progress import Progress

    from threedcseg.cli.terminal import bare
    from threedcseg.datasets.check import check_dataset

    console = Console(file=bare(sys.stderr))
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("decoding", total=None)
        report = check_dataset(
            args.root,
            args.kind,
            args.split,
            decode=not args.quick,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for split in report.splits:
        options = "".join(f" {value}" for value in split.options.values())
        print(
            f"{split.ground_truth} ({split.kind}) {split.split}{options}: "
            f"{split.num_sequences} sequences, {split.num_frames} frames, {split.num_masks} masks"
        )
        for finding in split.findings:
            print(f"  {finding}")
    for finding in report.findings:
        print(finding)
    findings = report.all_findings()
    warnings = len(findings) - report.num_errors
    how = " (names only; without --quick every image is decoded)" if args.quick else ""
    print(f"errors: {report.num_errors}, warnings: {warnings}{how}")
    return 2 if report.num_errors else 0
