"""`3dcseg ablate`: the paper's tables, trained and measured anew with the data at hand."""

import argparse
from pathlib import Path

EPILOG = """\
Each row is a recipe of the folder --recipes; rows whose data or initial weights are not there are
left out, and the table says so. The folder DIR gets a training run for each recipe, and the table
beside the paper's figures as Markdown, CSV and a plot. Start the same command again after a stop:
what is done is not done again, and a training goes on from its checkpoint.

Examples:
  3dcseg ablate table2b --data DATA --out ablations --dry-run     # what would be done
  3dcseg ablate table2b --data DATA --out rehearsal --scale tiny  # all of it within minutes
  3dcseg ablate table2b --data DATA --out ablations               # days on a GPU
  3dcseg ablate table3 --recipes recipes/ablations --data /data --out runs/ablations
  3dcseg ablate table1 --out ablations                            # times encoders on this device

recipes/paper/ holds the paper's, recipes/ablations/ those of the compact network that fit a CPU;
docs/ablations.md shows what came of them.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    parser.epilog = EPILOG
    parser.add_argument("table", metavar="TABLE", help="table1, 2a, 2b, 2c, 3, 4 or 5")
    parser.add_argument("--out", "-o", type=Path, required=True, metavar="DIR", help="results")
    parser.add_argument(
        "--data", type=Path, metavar="ROOT", help="folder that the recipes' data roots are in"
    )
    parser.add_argument(
        "--recipes",
        type=Path,
        default=Path("recipes/paper"),
        metavar="DIR",
        help="folder of recipes (default: recipes/paper)",
    )
    parser.add_argument(
        "--scale",
        choices=["full", "tiny"],
        default="full",
        help="tiny: a narrow decoder, few pixels, two steps a stage, to see that all is well",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that prepare clips (default: 1)"
    )


def run(args: argparse.Namespace) -> int:
    """Measure a table and print it; returns 0."""
    from threedcseg.ablation.tables import find_table
    from threedcseg.errors import InputError

    table = find_table(args.table)
    needs_recipes = any(row.recipe for row in table.rows)
    if needs_recipes and not args.recipes.is_dir():
        raise InputError(
            f"{args.recipes}: no such folder of recipes",
            "run this in a clone of the repository, or give --recipes DIR",
        )
    if args.data is not None and not args.data.is_dir():
        raise InputError(f"{args.data}: no such folder; --data is the one that holds the data sets")
    if args.workers < 0:
        raise InputError(f"--workers {args.workers}", "give 0 or more")
    from threedcseg.ablation.experiment import Ablation
    from threedcseg.ablation.write import check_folder, markdown, write_table

    tiny = args.scale == "tiny"
    ablation = Ablation(
        args.recipes,
        args.out,
        args.data,
        tiny,
        args.device,
        args.workers,
        repeats=1 if tiny else 3,
        size=(64, 96) if tiny else (480, 864),
    )
    print(table.title)
    if args.dry_run:
        for row, what in ablation.plan(table):
            print(f"  {row.label}: {what}")
        return 0
    check_folder(args.out)
    outcomes = []
    name = table.title.partition(":")[0].lower().replace(" ", "")
    for outcome in ablation.rows(table, lambda text: print(f"  {text}", flush=True)):
        outcomes.append(outcome)
        written = write_table(table, outcomes, args.out, name)
    print(markdown(table, outcomes))
    print("written: " + ", ".join(str(path) for path in written))
    if not any(outcome.figures for outcome in outcomes):
        raise InputError(
            "no row could be measured; `3dcseg data check` says what a folder holds, and "
            "docs/data.md what the recipes look for"
        )
    return 0
