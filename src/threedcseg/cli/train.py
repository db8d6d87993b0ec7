"""`3dcseg train`: a recipe, a data folder and an output folder; resumes by itself."""

import argparse
import dataclasses
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from threedcseg.errors import InputError

TERMINATED = (
    "stopped by SIGTERM (torchrun sends it when another process of the job has ended, and names "
    "that one): start the same command again, which goes on from the last checkpoint"
)

EPILOG = """\
The run writes into its output folder, and picks up there after a stop or a kill:
  checkpoint.pt      network, moving average, optimizer and step (resumes from here)
  log.jsonl          one JSON line a step and a validation
  tensorboard/       the same as curves (with the [train] extra)
  samples/           pictures on the way, where the recipe asks for previews
  model.safetensors  the weights to use: 3dcseg segment VIDEO --model model.safetensors

Examples:
  3dcseg train --config recipes/compact.yaml -o runs/compact
  3dcseg train --config recipes/compact.yaml --data /my/data -o runs/mine
  3dcseg train --config recipes/compact.yaml --set stages.clips.minutes=1 --dry-run
  3dcseg train --config recipes/compact.yaml --minutes 9 -o runs/nine-minutes
  torchrun --nproc-per-node 4 --no-python 3dcseg train --config recipes/paper/final.yaml -o final

docs/training.md says what recipes hold, and how to use several GPUs and machines.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    parser.epilog = EPILOG
    parser.add_argument("--config", type=Path, required=True, help="recipe file (YAML)")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder of this run")
    parser.add_argument("--data", help="folder that the recipe's data roots are relative to")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="another value for this run, such as optimizer=adam or stages.0.steps=100; repeatable",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="stop after that long: stages and learning rates follow the clock, not the steps",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the whole recipe, the model, data counts and memory, and train nothing",
    )
    parser.add_argument(
        "--no-data", action="store_true", help="with --dry-run: look for no data and no weights"
    )
    parser.add_argument(
        "--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps, ..."
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that prepare clips (default: 1)"
    )


def run(args: argparse.Namespace) -> int:
    """Train; returns 0 once the recipe's last step is done."""
    if args.output is None and not args.dry_run:
        raise InputError(
            "no folder for this run", "give -o DIR, or --dry-run to see what it would do"
        )
    if args.workers < 0:
        raise InputError(f"--workers {args.workers}", "give 0 or more")
    from threedcseg.training.distributed import World
    from threedcseg.training.recipe import read_recipe, within

    recipe = read_recipe(args.config, args.overrides)
    if args.minutes is not None:
        recipe = within(recipe, args.minutes)
    if args.data is not None:
        recipe = dataclasses.replace(recipe, data=args.data)
    world = World.from_environment()
    if args.dry_run:
        from threedcseg.training.dry_run import describe

        text = describe(recipe, data=not args.no_data, world=world)
        print(text if world.writes else "", end="")
        return 0
    from threedcseg.training.train import train

    with _ends_with_one_line():
        weights = train(recipe, args.output, device=args.device, workers=args.workers)
    if world.writes:
        print(f"weights: {weights}")
    if world.size > 1:
        # DistributedDataParallel keeps gloo's threads alive; one that lets go of a tensor while
        # Python shuts down would abort the process.
        sys.stdout.flush()
        os._exit(0)
    return 0


@contextmanager
def _ends_with_one_line() -> Iterator[None]:
    """Within it, SIGTERM and the death of a worker end the run with one line, not a traceback."""

    def stop(number: int, frame: FrameType | None) -> None:
        # Not by an exception: torchrun also ends our workers, which raises others meanwhile.
        os.write(sys.stderr.fileno(), f"error: {TERMINATED}\n".encode())
        os._exit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise InputError(
            "a process that prepares clips was killed, most often for want of memory",
            "start the same command again with fewer --workers, which goes on from the last "
            "checkpoint",
        ) from error
    finally:
        signal.signal(signal.SIGTERM, before)
