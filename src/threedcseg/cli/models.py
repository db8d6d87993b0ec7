"""`3dcseg models`: what there is to choose from, with size, cost and licence."""

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threedcseg.models.complexity import Complexity

Row = dict[str, str | float]

EPILOG = """\
GMACs are thousands of millions of multiply-adds for one clip of 8 frames at 480x854 (padded to
480x864). Parameters are in millions. Of an encoder, "conv" counts the convolutions, "+norm" also
the scales and shifts of batch norms (all that an optimiser sees), "+stats" also their running
statistics; classifiers are not counted. Table 1 of the paper mixes the three. "weights" is the
licence of published weights that fit; those marked "included" come with this package.

Bridges are counted on the coarsest map of ir-csn-152, refinements for its three scales.

Names build networks: create_model("3dc-seg", encoder="ir-csn-50", bridge="nl3d") in Python, or
the `model:` section of a training recipe.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    parser.epilog = EPILOG
    parser.add_argument("--json", action="store_true", help="print the same as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the tables; returns 0."""
    tables = survey()
    if args.json:
        print(json.dumps(tables, indent=2))
    else:
        print("\n\n".join(_table(kind, rows) for kind, rows in tables.items()))
    return 0


def survey() -> dict[str, dict[str, Row]]:
    """What is registered, by kind and name."""
    from threedcseg.models import complexity
    from threedcseg.models.registry import BRIDGES, ENCODERS, MODELS, REFINEMENTS
    from threedcseg.models.shipped import card_of
    from threedcseg.published import TABLE_1

    encoders: dict[str, Row] = {}
    for name, encoder in ENCODERS.items():
        counted = complexity.of_encoder(name)
        encoders[name] = {
            "conv": _millions(counted.convolutions),
            "+norm": _millions(counted.parameters),
            "+stats": _millions(counted.parameters + counted.statistics),
            "GMACs": _giga(counted.macs),
            "table 1": f"{cost.millions} ({cost.counted})" if (cost := TABLE_1.get(name)) else "",
            "weights": encoder.weights_licence,
            "what": encoder.summary,
        }
    models: dict[str, Row] = {}
    for name, model in MODELS.items():
        card = card_of(name)
        licence = f"{card['licence']}, included" if card else model.weights_licence
        models[name] = _row(complexity.of_model(name), model.summary) | {"weights": licence}
    return {
        "encoder": encoders,
        "bridge": {n: _row(complexity.of_bridge(n), entry.summary) for n, entry in BRIDGES.items()},
        "refinement": {
            n: _row(complexity.of_refinement(n), entry.summary) for n, entry in REFINEMENTS.items()
        },
        "model": models,
    }


def _row(counted: "Complexity", summary: str) -> Row:
    return {
        "params": _millions(counted.parameters),
        "GMACs": _giga(counted.macs),
        "weights": "",
        "what": summary,
    }


def _millions(number: int) -> float:
    return round(number / 1e6, 2)


def _giga(number: int) -> float:
    return round(number / 1e9, 1)


def _table(kind: str, rows: dict[str, Row]) -> str:
    """Aligned columns, numbers to the right; a column that is empty throughout is left out."""
    first = next(iter(rows.values()))
    columns = [column for column in first if any(row[column] != "" for row in rows.values())]
    lines = [[kind.upper(), *columns]]
    lines += [[name, *(_cell(row[column]) for column in columns)] for name, row in rows.items()]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    right = [False, *(isinstance(first[column], float) for column in columns)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _cell(value: str | float) -> str:
    return f"{value:,}" if isinstance(value, float) else value
