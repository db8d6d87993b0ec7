"""`3dcseg train`: a recipe, a data folder and an output folder; resumes by itself."""

import argparse
import dataclasses
from pathlib import Path

EPILOG = """\
The run writes into its output folder, and picks up there after a stop or a kill:
  checkpoint.pt      network, moving average, optimizer and step (resumes from here)
  log.jsonl          one JSON line a step and a validation
  tensorboard/       the same as curves (with the [train] extra)
  model.safetensors  the weights to use: 3dcseg segment VIDEO --weights model.safetensors

Examples:
  3dcseg train --config recipes/compact.yaml -o runs/compact
  3dcseg train --config recipes/compact.yaml --data /my/data -o runs/mine
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    parser.epilog = EPILOG
    parser.add_argument("--config", type=Path, required=True, help="recipe file (YAML)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of this run")
    parser.add_argument("--data", help="folder that the recipe's data roots are relative to")
    parser.add_argument(
        "--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps, ..."
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that prepare clips (default: 1)"
    )


def run(args: argparse.Namespace) -> int:
    """Train; returns 0 once the recipe's last step is done."""
    from threedcseg.training.recipe import read_recipe
    from threedcseg.training.run import train

    recipe = read_recipe(args.config)
    if args.data is not None:
        recipe = dataclasses.replace(recipe, data=args.data)
    weights = train(recipe, args.output, device=args.device, workers=args.workers)
    print(f"weights: {weights}")
    return 0
