"""The compact network: plain, prepared, and prepared without oneDNN's fused operators, in turns.

    python benchmarks/compact_network.py                        # the one that ships
    python benchmarks/compact_network.py --precision bfloat16
    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/compact_network.py

Processor time, so that other processes disturb little; ratios are of runs one after the other.
The last line has it as an older CPU would compute it.
"""

import argparse
import statistics
import time

import torch

from threedcseg.allocation import keep_freed_memory
from threedcseg.models import create_model
from threedcseg.models.fast import onednn
from threedcseg.models.fast.prepare import Autocast, prepare_for_inference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", default="lite2")
    parser.add_argument("--finest", type=int, default=24)
    parser.add_argument("--size", type=int, nargs=2, default=(288, 512))
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    dtype = getattr(torch, args.precision)
    plain = create_model("compact", width=args.width, finest=args.finest).eval()
    prepared = prepare_for_inference(plain)
    clip = torch.rand(1, 3, 8, *args.size).to(memory_format=torch.channels_last_3d)
    ways = {"plain": (plain, True), "not fused": (prepared, False), "prepared": (prepared, True)}
    fuses = onednn.fuses
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with torch.inference_mode():
        for repeat in range(args.repeats + 1):
            for way, (network, fused) in ways.items():
                onednn.fuses = fuses if fused else lambda dtype: False  # type: ignore[assignment]
                start = time.process_time()
                Autocast(network, dtype)(clip)
                if repeat:  # the first one warms up
                    seconds[way].append(time.process_time() - start)
    print(f"{torch.backends.cpu.get_cpu_capability()}, {args.precision}, {args.threads} threads")
    for way, values in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(values, seconds["prepared"], strict=True))
        print(f"{way:10} {statistics.median(values):.3f} s a clip, {ratio:.2f} times prepared")


if __name__ == "__main__":
    main()
