"""`3dcseg export`: a network as ONNX or OpenVINO, to be run without PyTorch or faster."""

import argparse
import sys
from pathlib import Path

EPILOG = """\
The ending says what is written: .onnx (ONNX), or .xml and, beside it, .bin (OpenVINO). Height and
width stay open, in multiples of 16; clip length and context are fixed. The file is checked against
PyTorch before it gets its name, and says inside what it holds. Needs
pip install 'threedcseg[onnx]', for OpenVINO 'threedcseg[openvino]'.

The file then stands in for a model:
  3dcseg export compact -o compact.onnx
  3dcseg segment dog.mp4 -o masks --model compact.onnx
  3dcseg segment dog.mp4 -o masks --model compact.onnx --runtime openvino
  3dcseg evaluate --model compact.onnx --data DAVIS --split val

Examples:
  3dcseg export compact -o compact.xml
  3dcseg export compact -o compact-int8.onnx --quantize int8 --calibration DAVIS
  3dcseg export runs/mine/model.safetensors -o mine.onnx --clip-length 4 --video dog.mp4
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="MODEL", help="name, or a file of weights")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--weights", type=Path, help="weights file for the named model")
    parser.add_argument(
        "--clip-length", type=int, metavar="N", help="frames (default: as the weights were trained)"
    )
    parser.add_argument(
        "--context",
        type=int,
        metavar="N",
        help="frames before and after a clip (default: as for segment, if the network takes them)",
    )
    parser.add_argument(
        "--video", type=Path, help="check on its first clip (default: a made-up one)"
    )
    parser.add_argument(
        "--quantize",
        choices=["int8"],
        help="convolutions in 8 bits, as .onnx: faster with ONNX Runtime, less exact",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="ROOT",
        help="for --quantize: a data set whose training clips say what range values have",
    )


def run(args: argparse.Namespace) -> int:
    """Write the file; returns 0."""
    from threedcseg.errors import InputError
    from threedcseg.runtimes.export import TOLERANCE, export

    if (args.quantize is None) != (args.calibration is None):
        raise InputError(
            "--quantize int8 and --calibration ROOT go together", "give both or neither"
        )

    print("exporting; this takes up to a minute", file=sys.stderr, flush=True)
    difference = export(
        args.model,
        args.output,
        weights=args.weights,
        clip_length=args.clip_length,
        context=args.context,
        video=args.video,
        calibration=args.calibration,
    )
    size = args.output.stat().st_size
    if args.output.suffix == ".xml":
        size += args.output.with_suffix(".bin").stat().st_size
    allowed = f"(allowed: {TOLERANCE:.0e})"
    if args.quantize is not None:
        allowed = (
            f"and {difference.mean:.1e} on average; what that costs on a data set: "
            f"3dcseg evaluate --model {args.output} --data ROOT"
        )
    print(
        f"{args.output}: {size / 1e6:.1f} MB; probabilities differ from PyTorch's by "
        f"{difference.largest:.1e} at most {allowed}"
    )
    return 0
