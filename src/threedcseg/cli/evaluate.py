"""`3dcseg evaluate`: predictions and ground truth in, figures out."""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threedcseg.cli.options import add_model, add_settings, model_from, settings_from

if TYPE_CHECKING:
    from rich.console import Console

    from threedcseg.evaluation.pairing import GroundTruth
    from threedcseg.evaluation.protocols import Protocol

EPILOG = """\
Protocols (docs/metrics.md):
  davis16                 J, F, flicker; the first and last frame of a sequence are left out
  davis2017-unsupervised  numbered objects, up to 20 proposals matched to them; all frames
  saliency                MAE, F (beta^2 = 0.3), weighted F, S, E; J; all frames
  fbms, visal             the same on sparse ground truth
  3dc-seg-published       the paper's Table 5: F (beta^2 = 1) and MAE, all pixels in one pool

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

PROTOCOLS = (
    "davis16",
    "davis2017-unsupervised",
    "saliency",
    "fbms",
    "visal",
    "3dc-seg-published",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    parser.epilog = EPILOG
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
    add_scoring(parser)
    _add_predicting(parser)
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


def _add_predicting(parser: argparse.ArgumentParser) -> None:
    """The options of `--model`, which segments a data set instead of reading predictions."""
    group = parser.add_argument_group("predict first, instead of PREDICTIONS GROUND_TRUTH")
    group.add_argument("--data", type=Path, metavar="ROOT", help="root of the data set to segment")
    group.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the masks here (default: thrown away)"
    )
    add_model(parser, default=None)
    add_settings(parser, leave_out=("threshold",))


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """The options that decide a figure, whatever the predictions come from, and the output."""
    group = parser.add_argument_group("scoring")
    group.add_argument(
        "--protocol", choices=PROTOCOLS, default="davis16", help="(default: davis16)"
    )
    group.add_argument(
        "--threshold", type=float, default=0.5, metavar="P", help="foreground where p > P (0.5)"
    )
    group.add_argument(
        "--no-normalise",
        dest="normalise",
        action="store_false",
        help="saliency measures of maps as they are, not stretched to [0, 1] frame by frame",
    )
    group.add_argument("--json", type=Path, metavar="OUT", help="write the result to a file")
    group.add_argument("--workers", type=int, metavar="N", help="threads (default: one a core)")


def run(args: argparse.Namespace) -> int:
    """Score folders, or a model on a data set; returns 0."""
    from threedcseg.errors import InputError

    predicting, reading = args.model is not None, args.predictions is not None
    if predicting == reading or predicting != (args.data is not None):
        raise InputError(
            "give either PREDICTIONS GROUND_TRUTH, or --model NAME --data ROOT to predict first"
        )
    if reading:
        if args.ground_truth is None:
            raise InputError(f"{args.predictions} alone cannot be scored: give GROUND_TRUTH too")
        return _score(args, str(args.predictions))
    args.ground_truth = args.data
    with tempfile.TemporaryDirectory() as folder:
        args.predictions = args.keep or Path(folder)
        _predict(args)
        return _score(args, str(args.keep or "made for this evaluation, not kept"))


def _predict(args: argparse.Namespace) -> None:
    """Segment the sequences to score into ``args.predictions``, as `3dcseg segment` does.

    Whatever scoring would refuse is refused before, since segmenting takes minutes.
    """
    from threedcseg.cli.progress import frame_progress
    from threedcseg.datasets.registry import KINDS, open_dataset
    from threedcseg.errors import InputError
    from threedcseg.evaluation.pairing import dataset_kind
    from threedcseg.evaluation.protocols import PROTOCOLS
    from threedcseg.segmentation.video import segment_video

    protocol = PROTOCOLS[args.protocol]
    if protocol.foreground == "labels":
        raise InputError(
            f"{args.protocol} scores numbered objects, and --model makes masks: write objects with "
            "`3dcseg segment FRAMES -o DIR --write palette` and score DIR/SEQ/palette"
        )
    choice = settings_from(args)
    workers_from(args)
    check_output(args.json, args.data, args.predictions)
    wanted = _ground_truth(args, protocol).sequences
    kind = dataset_kind(args.data, protocol.data)
    if kind is None:
        raise InputError(f"{args.data}: no data set known here; see `3dcseg data check`")
    dataset = open_dataset(kind, args.data, args.split or KINDS[kind].splits(args.data)[0])
    network, provenance = model_from(args).load()
    settings = choice.on(network)
    for sequence in dataset.sequences:
        if sequence.name not in wanted:
            continue
        folder = args.predictions / sequence.name
        with frame_progress(sequence.name) as tick:
            frames = sequence.frames[0].parent
            segment_video(
                frames,
                folder,
                network,
                settings,
                write=("masks", "probabilities") if args.probabilities else ("masks",),
                provenance=provenance,
                on_frame=tick,
                on_shot=tick.shot,
            )


def _score(args: argparse.Namespace, predictions_name: str) -> int:
    from threedcseg.cli.progress import count_progress
    from threedcseg.evaluation.pairing import find_predictions, pair_files
    from threedcseg.evaluation.protocols import PROTOCOLS, Settings, score
    from threedcseg.evaluation.record import evaluation_record, read_provenance

    protocol = PROTOCOLS[args.protocol]
    settings = Settings(threshold=args.threshold, normalise=args.normalise)
    settings.check()
    check_output(args.json, args.predictions, args.ground_truth)
    truth = _ground_truth(args, protocol)
    predictions = find_predictions(
        args.predictions, truth.sequences, probabilities=args.probabilities
    )
    sequences = pair_files(
        truth,
        predictions,
        objects=protocol.foreground == "labels",
        read_as=args.read_as,
        allow_missing=args.allow_missing,
    )
    workers = workers_from(args)
    with count_progress(sum(len(pairs) for _, pairs in sequences)) as tick:
        result = score(protocol, sequences, settings, workers=workers, on_frame=tick)
    record = evaluation_record(
        result,
        protocol,
        settings,
        ground_truth=args.ground_truth_name or truth.name,
        predictions=predictions_name,
        provenance=read_provenance(found.folder for found in predictions.values()),
    )
    finish(record, protocol, args.json)
    return 0


def workers_from(args: argparse.Namespace) -> int:
    """How many threads to use; raises `InputError` for less than one."""
    from threedcseg.errors import InputError

    if args.workers is None:
        return os.cpu_count() or 1
    if args.workers < 1:
        raise InputError(f"--workers {args.workers} is out of range: give 1 or more")
    return int(args.workers)


def check_output(output: Path | None, *inputs: Path) -> None:
    """Before the work begins, refuse to write the result among files that are read."""
    from threedcseg.errors import InputError
    from threedcseg.evaluation.record import check_writable

    if output is None:
        return
    check_writable(output)
    for folder in inputs:
        if output.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"{output} lies within {folder}, which is read only: give another name"
            )


def finish(record: Mapping[str, Any], protocol: "Protocol", output: Path | None) -> None:
    """Print the tables of a result and, where asked to, write its JSON."""
    from rich.console import Console

    from threedcseg.evaluation.record import write_evaluation

    show(record, protocol.headline, Console(width=None if sys.stdout.isatty() else 160))
    if output is not None:
        write_evaluation(output, record)
        print(f"result: {output}")


def show(record: Mapping[str, Any], headline: tuple[str, ...], console: "Console") -> None:
    """What defines the numbers, then the numbers, sequence by sequence and overall."""
    from rich.table import Table

    from threedcseg.evaluation.record import terms

    definition = Table.grid(padding=(0, 2))
    for row in terms(record):
        definition.add_row(*row)
    console.print(definition, highlight=False)

    table = Table(box=None, header_style="bold", show_footer=True)
    table.add_column("sequence", footer="overall")
    table.add_column("frames", justify="right", footer=str(record["frames_counted"]))
    for name in headline:
        footer = _number(name, record["overall"][name])
        table.add_column(name.replace("_", " "), justify="right", footer=footer)
    for name, sequence in record["sequences"].items():
        figures = sequence["figures"]
        numbers = (_number(figure, figures[figure]) for figure in headline)
        table.add_row(name, str(sequence["frames_counted"]), *numbers)
    console.print(table, highlight=False)


def _number(name: str, value: float) -> str:
    """In per cent, but errors as they are."""
    return f"{value:.4f}" if name.startswith("MAE") else f"{100 * value:.2f}"


def _ground_truth(args: argparse.Namespace, protocol: "Protocol") -> "GroundTruth":
    from threedcseg.evaluation.pairing import choose, find_ground_truth

    truth = find_ground_truth(args.ground_truth, protocol.foreground, protocol.data, args.split)
    if args.sequences is None:
        return truth
    return choose(truth, sequence_names(args.sequences))


def sequence_names(text: str) -> list[str]:
    """Names with commas between, or those of a list file: one a line, or, as in DAVIS 2016, one
    ``/JPEGImages/480p/SEQ/FRAME.jpg /Annotations/...`` a line."""
    listing = Path(text)
    if not listing.is_file():
        return [name.strip() for name in text.split(",") if name.strip()]
    words = [line.split()[0] for line in listing.read_text().splitlines() if line.strip()]
    return list(dict.fromkeys(Path(word).parent.name if "/" in word else word for word in words))
