"""`3dcseg evaluate`: predictions and ground truth in, figures out."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threedcseg.cli.options import (
    ModelChoice,
    SettingsChoice,
    add_model,
    add_settings,
    model_from,
    settings_from,
    threads,
)
from threedcseg.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from threedcseg.datasets.sequence import Sequence
    from threedcseg.evaluation.predict import Predict
    from threedcseg.evaluation.record import EvaluationRecord
    from threedcseg.inference.predictor import Network
    from threedcseg.inference.settings import Settings
    from threedcseg.outputs.record import Provenance

EPILOG = """\
Protocols (docs/metrics.md):
{protocols}

Predictions are SEQ/FRAME.png or .npy: masks, or maps of 8 or 16 bits or of floats. The ground truth
is SEQ/FRAME.png (DAVIS Annotations/480p), or the root of a data set, with --split. Of a single
sequence, the files may lie in the folders themselves. Sizes must match: nothing is resized.

Examples:
  3dcseg evaluate masks DAVIS/Annotations/480p --sequences DAVIS/ImageSets/480p/val.txt
  3dcseg evaluate masks DAVIS --split val --json masks.json
  3dcseg evaluate masks DAVIS/Annotations/480p --protocol saliency --probabilities
  3dcseg evaluate masks FBMS --protocol fbms --split test
  3dcseg evaluate --model compact --data DAVIS --split val     # predicts first, then scores
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    from threedcseg.evaluation.protocols import PROTOCOLS

    lines = (f"  {name:22}  {protocol.summary}" for name, protocol in PROTOCOLS.items())
    parser.epilog = EPILOG.format(protocols="\n".join(lines))
    parser.add_argument(
        "predictions", type=Path, metavar="PREDICTIONS", nargs="?", help="folder of maps"
    )
    parser.add_argument(
        "ground_truth",
        type=Path,
        metavar="GROUND_TRUTH",
        nargs="?",
        help="folder of masks, or of a data set",
    )
    scoring = parser.add_argument_group("scoring")
    scoring.add_argument(
        "--protocol", choices=PROTOCOLS, default="davis16", help="(default: davis16)"
    )
    scoring.add_argument(
        "--threshold", type=float, default=0.5, metavar="P", help="foreground where p > P (0.5)"
    )
    scoring.add_argument(
        "--no-normalise",
        dest="normalise",
        action="store_false",
        help="saliency measures of maps as they are, not stretched to [0, 1] frame by frame",
    )
    scoring.add_argument("--json", type=Path, metavar="OUT", help="write the result to a file")
    scoring.add_argument("--workers", type=int, metavar="N", help="threads (default: one a core)")
    predicting = parser.add_argument_group("predict first, instead of PREDICTIONS GROUND_TRUTH")
    predicting.add_argument(
        "--data", type=Path, metavar="ROOT", help="root of the data set to segment"
    )
    predicting.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the masks here (default: thrown away)"
    )
    add_model(parser, default=None)
    add_settings(parser, leave_out=("threshold",))
    what = parser.add_argument_group("what to score")
    what.add_argument(
        "--sequences", metavar="NAMES", help="names with commas between, or a file of one a line"
    )
    what.add_argument("--split", help="split of the data set whose root GROUND_TRUTH is")
    what.add_argument(
        "--probabilities",
        action="store_true",
        help="the maps in SEQ/probabilities, as segment --probabilities writes them",
    )
    what.add_argument(
        "--read-as",
        choices=["auto", "probabilities", "labels"],
        default="auto",
        help="what gray values mean; labels: all but 0 is object (auto: gray images hold "
        "probabilities, palettes labels)",
    )
    what.add_argument(
        "--allow-missing", action="store_true", help="count missing frames as empty masks"
    )
    what.add_argument(
        "--ground-truth-name", metavar="NAME", help="what to call the ground truth in the result"
    )


def run(args: argparse.Namespace) -> int:
    """Score folders, or a model on a data set; returns 0."""
    from threedcseg.cli.progress import count_progress
    from threedcseg.evaluation.evaluate import evaluate_dataset, evaluate_files
    from threedcseg.evaluation.record import check_writable
    from threedcseg.evaluation.scorer import ScoringSettings

    predicting, reading = args.model is not None, args.predictions is not None
    if predicting == reading or predicting != (args.data is not None):
        raise InputError(
            "give either PREDICTIONS GROUND_TRUTH, or --model NAME --data ROOT to predict first"
        )
    if reading and args.ground_truth is None:
        raise InputError(f"{args.predictions} alone cannot be scored", "give GROUND_TRUTH too")
    settings = ScoringSettings(args.threshold, args.normalise)
    settings.check()
    if args.json is not None:
        check_writable(args.json)
        _check_apart(args.json, args.predictions, args.ground_truth, args.data, args.keep)
    options = {
        "sequences": args.sequences,
        "split": args.split,
        "probabilities": args.probabilities,
        "truth_name": args.ground_truth_name,
        "workers": threads(args.workers),
        "progress": count_progress,
    }
    if reading:
        record = evaluate_files(
            args.predictions,
            args.ground_truth,
            args.protocol,
            settings,
            read_as=args.read_as,
            allow_missing=args.allow_missing,
            **options,
        )
    else:
        model, choice = model_from(args), settings_from(args)
        if args.keep is not None:
            options["predictions"] = str(args.keep)
        prepare = partial(_prepare, model, choice, args.probabilities, args.keep)
        record = evaluate_dataset(args.data, prepare, args.protocol, settings, **options)
    show(record)
    if args.json is not None:
        record.write(args.json)
        print(f"result: {args.json}")
    return 0


def _prepare(
    model: ModelChoice, choice: SettingsChoice, probabilities: bool, keep: Path | None
) -> "tuple[Predict, dict[str, Any]]":
    """What predicts with a network, keeping files where asked to, and its provenance."""
    from threedcseg.evaluation.predict import predictions
    from threedcseg.outputs.record import software

    network, provenance = model.load()
    settings = choice.on(network)
    options: dict[str, Any] = {
        "network": network,
        "settings": settings,
        "probabilities": probabilities,
    }
    predict = partial(predictions, **options)
    if keep is not None:
        predict = partial(_kept, folder=keep, provenance=provenance, **options)
    return predict, {**asdict(settings), **dict(provenance), "software": software()}


def _kept(
    sequence: "Sequence",
    network: "Network",
    settings: "Settings",
    *,
    folder: Path,
    provenance: "Provenance",
    probabilities: bool,
) -> "Iterator[np.ndarray]":
    """The masks or maps of a sequence, read from the files that stay."""
    from threedcseg.evaluation.pairing import PROBABILITIES
    from threedcseg.evaluation.reading import read_values
    from threedcseg.segmentation.video import segment_video

    write = ("masks", PROBABILITIES) if probabilities else ("masks",)
    frames, out = sequence.frames[0].parent, folder / sequence.name
    segment_video(frames, out, network, settings, write=write, provenance=provenance, redo=True)
    maps = out / PROBABILITIES if probabilities else out
    return (read_values(maps / f"{frame.stem}.png") for frame in sequence.frames)


def _check_apart(output: Path, *folders: Path | None) -> None:
    """Before the work begins, refuse to write the result among files that are read."""
    for folder in folders:
        if folder is not None and output.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"{output} lies within {folder}, which is read only", "give another name"
            )


def show(record: "EvaluationRecord") -> None:
    """What defines the numbers, then the numbers, sequence by sequence and overall."""
    from rich.console import Console
    from rich.table import Table

    width = None if sys.stdout.isatty() else 160
    console = Console(width=width, force_terminal=False, markup=False, emoji=False)
    definition = Table.grid(padding=(0, 2))
    for row in record.terms():
        definition.add_row(*row)
    console.print(definition, highlight=False)

    table = Table(box=None, header_style="bold", show_footer=True)
    table.add_column("sequence", footer="overall")
    table.add_column("frames", justify="right", footer=str(record.frames_counted))
    for figure in record.rules.figures:
        footer = figure.text(record.overall[figure.name], more=1)
        table.add_column(figure.heading, justify="right", footer=footer)
    for name, part in record.sequences.items():
        numbers = (
            figure.text(part.figures[figure.name], more=1) for figure in record.rules.figures
        )
        table.add_row(name, str(part.frames_counted), *numbers)
    console.print(table, highlight=False)
