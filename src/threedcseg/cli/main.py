"""The `3dcseg` command: picks the sub-command, imports only that one, reports errors in one line.

Each sub-command is a module of this package with two functions: ``add_arguments(parser)`` (fast to
import: no torch) and ``run(args) -> int`` (imports what it needs). Help lines stand here so that
`3dcseg --help` imports nothing.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from threedcseg.allocation import keep_freed_memory
from threedcseg.cli.terminal import plain_streams
from threedcseg.errors import InputError
from threedcseg.reading import shortly
from threedcseg.waiting import wait_asleep

MAX_WORD = 4096
"""Characters of an argument."""
COMMANDS = {
    "segment": "cut the moving objects out of videos: masks, probability maps, overlays",
    "evaluate": "score masks, or a model on a data set, against ground truth",
    "demo": "open a page on this machine to drop videos on: watch, compare, download",
    "report": "make pages to read from results: tables, curves, a player, errors",
    "figure": "draw a grid of overlays, sequences by frames, as PNG or PDF",
    "train": "train a network from a recipe",
    "ablate": "train and measure the paper's tables anew, beside its figures",
    "data": "check a data set: what it holds, what is missing, what to do",
    "models": "list encoders, bridges and whole models with size, cost and licence",
    "benchmark": "time encoders, models and the whole path on this device",
    "average": "make one network of several by the mean of their weights",
    "export": "write a network as ONNX or OpenVINO, checked against PyTorch",
    "convert": "turn published checkpoints into safetensors, safely",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as for any other mistake, in place of the whole usage."""
        raise InputError(message, f"`{self.prog} --help` lists what there is")


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser; with ``command``, only that sub-command's arguments are imported and added.

    What it parses raises `InputError` for options that there are not.
    """
    parser = _Parser(
        prog="3dcseg",
        description="Segment the salient, moving objects of any video. No clicks, no prompts, "
        "no optical flow.",
        epilog="Start with: 3dcseg segment VIDEO -o masks/",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, summary in COMMANDS.items():
        child = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == command:
            _module(name).add_arguments(child)
    return parser


def _module(command: str):  # type: ignore[no-untyped-def]
    return importlib.import_module(f"threedcseg.cli.{command}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (0 done, 2 bad input, 3 damaged input,
    130 interrupted)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    with plain_streams():
        return _told(argv)


def _told(argv: list[str]) -> int:
    try:
        return _run(argv)
    except InputError as error:
        return _fail(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except OSError as error:  # full disk, no permission, ...: the system's own words name the file
        where = f"{error.filename}: " if error.filename else ""
        return _fail(InputError(f"{where}{error.strerror or error}"))
    except MemoryError as error:
        return _fail(InputError("there is not enough memory", str(error)))
    except RuntimeError as error:  # of `Path.resolve`, until Python 3.13
        if "Symlink loop" not in str(error):
            raise
        return _fail(InputError(str(error), "remove the link"))


def _run(argv: list[str]) -> int:
    longest = max(argv, key=len, default="")
    if len(longest) > MAX_WORD:  # neither a name that systems take, nor a number that Python does
        raise InputError(
            f"{longest[:20]!r}... has {len(longest)} characters", f"give {MAX_WORD} at most"
        )
    command = next((word for word in argv if word in COMMANDS), None)
    parser = build_parser(command)
    args = parser.parse_args(argv)
    if args.version:
        from importlib.metadata import version

        print(f"3dcseg {version('threedcseg')}")
        return 0
    if args.command is None:
        parser.print_help()
        return 0
    keep_freed_memory()
    wait_asleep()
    return int(_module(args.command).run(args) or 0)


def _fail(error: InputError) -> int:
    print(f"error: {shortly(error, 2000)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
