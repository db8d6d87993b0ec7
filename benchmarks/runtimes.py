"""The compact network in PyTorch, ONNX Runtime and OpenVINO, in turns in one process.

python benchmarks/runtimes.py                       # needs threedcseg[openvino]
python benchmarks/runtimes.py --size 256x448 --repeats 15
python benchmarks/runtimes.py --threads 1           # where other programs run
python benchmarks/runtimes.py --calibration DAVIS   # int8 as well
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from threedcseg.allocation import keep_freed_memory
from threedcseg.inference.predictor import Network, to_probabilities
from threedcseg.models import load_model
from threedcseg.runtimes.export import export
from threedcseg.runtimes.exported import open_exported


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", default="256x448", help="height x width of a clip of 8 frames")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--calibration", type=Path, metavar="ROOT", help="data set for int8")
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="with 1, processor time"
    )
    args = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    clock = time.process_time if args.threads == 1 else time.perf_counter
    height, width = map(int, args.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        onnx, openvino = Path(folder) / "compact.onnx", Path(folder) / "compact.xml"
        export("compact", openvino)
        export("compact", onnx)
        ways: dict[str, Network] = {
            "PyTorch, float32": load_model("compact", "cpu", precision="float32"),
            "PyTorch, bfloat16": load_model("compact", "cpu", precision="bfloat16"),
            "ONNX Runtime, float32": open_exported(onnx),
            "OpenVINO, float32": open_exported(openvino),
        }
        if args.calibration is not None:
            int8 = Path(folder) / "compact-int8.onnx"
            export("compact", int8, calibration=args.calibration)
            ways["ONNX Runtime, int8"] = open_exported(int8)
            ways["OpenVINO, int8"] = open_exported(int8, "openvino")
        context = open_exported(onnx).context
        shape = 1, 3, 8 + 2 * context, height, width
        clip = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        maps = {}
        with torch.inference_mode():
            for repeat in range(args.repeats + 1):  # the first warms up
                for name, network in ways.items():
                    start = clock()
                    logits = network(clip, context=context)
                    if repeat:
                        seconds[name].append(clock() - start)
                    maps[name] = to_probabilities(logits)
    first = next(iter(ways))
    base = statistics.median(seconds[first])
    print(f"one clip of 8x{height}x{width}, with {context} frames of context on both sides,")
    print(f"{torch.get_num_threads()} threads, medians\n")
    print("| runtime | s a clip | least to most | times as fast | max prob. difference |")
    print("| --- | --- | --- | --- | --- |")
    for name, values in seconds.items():
        median = statistics.median(values)
        difference = float((maps[name] - maps[first]).abs().max())
        print(
            f"| {name} | {median:.3f} | {min(values):.3f} to {max(values):.3f} "
            f"| {base / median:.2f} | {difference:.1e} |"
        )


if __name__ == "__main__":
    main()
