"""The paper's network as its authors' code runs it (A) against `prepare_for_inference` of it (B).

    python benchmarks/paper_network.py compare            # times, interleaved; probabilities
    python benchmarks/paper_network.py compare --busy 1   # beside another busy process
    python benchmarks/paper_network.py --threads 1 --clock processor compare  # on a busy machine
    python benchmarks/paper_network.py accuracy           # both against float64
    python benchmarks/paper_network.py memory             # peak memory, each in its own process
    python benchmarks/paper_network.py growth             # tables over clip length and size

A is the plain module, nothing fused, with the three prediction heads that nobody reads computed.
Weights are drawn at random, but so that activations keep their scale from layer to layer, and
logits reach about +-6; frames are those of the example video, or of ``--frames``, resized. All
numbers are float32 on the CPU unless they say float64.
"""

import argparse
import copy
import json
import os
import platform
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threedcseg.allocation import keep_freed_memory
from threedcseg.models import create_model
from threedcseg.models.fast.prepare import prepare_for_inference
from threedcseg.video.reader import open_video

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "made"))
from drawn_weights import clip_of, draw_into, drawn  # noqa: E402

Size = tuple[int, int]
WAYS = {"A": "plain module", "B": "prepared"}
ROWS_IN_FLOAT64 = 8
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--frames", type=Path, default=ROOT / "examples" / "dog.mp4")
    commands = parser.add_subparsers(required=True)
    for command in (compare, accuracy, memory, growth, one):
        sub = commands.add_parser(command.__name__, help=(command.__doc__ or "").partition("\n")[0])
        sub.set_defaults(command=command)
        sub.add_argument("--sizes", type=size, nargs="+", default=[(256, 448), (480, 864)])
        sub.add_argument("--lengths", type=int, nargs="+", default=[8])
        sub.add_argument("--repeats", type=int, default=5)
        sub.add_argument("--way", choices=WAYS)
        sub.add_argument("--busy", type=int, default=0, help="so many processes compute beside it")
    args = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    beside = [subprocess.Popen([sys.executable, "-c", "while 1: pass"]) for _ in range(args.busy)]
    try:
        args.command(args)
    finally:
        for process in beside:
            process.kill()


def size(text: str) -> Size:
    height, width = text.split("x")
    return int(height), int(width)


def network(way: str) -> nn.Module:
    """The paper's network with drawn weights, plain (A) or prepared (B)."""
    plain = draw_into(create_model("3dc-seg"))
    drawn.cache_clear()  # or memory would hold all weights twice
    return with_unread_heads(plain) if way == "A" else prepare_for_inference(plain)


def with_unread_heads(model: nn.Module) -> nn.Module:
    """The network that also computes the published heads at strides 32, 16, 8, and drops them."""

    def compute_head(part: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        part.unread_head(out)

    for part in (model.decoder.bridge, *model.decoder.refinements[:-1]):
        part.unread_head = copy.deepcopy(model.decoder.head)
        part.register_forward_hook(compute_head)
    return model


def read_clip(path: Path, length: int, size: Size) -> Tensor:
    """The first frames (from the start again where there are fewer), resized, as a clip."""
    with open_video(path) as source:
        first = [frame.image for frame in islice(source, length)]
    frames = [cv2.resize(image, size[::-1]) for image in islice(cycle(first), length)]
    return clip_of(np.stack(frames))


def run(model: nn.Module, clip: Tensor, clock: str = "wall") -> tuple[float, Tensor]:
    """Seconds and foreground probabilities ``(T, H, W)``."""
    start = CLOCKS[clock]()
    with torch.inference_mode():
        logits = model(clip)
    seconds = CLOCKS[clock]() - start
    return seconds, logits.softmax(dim=1)[0, 1]


def compare(args: argparse.Namespace) -> None:
    """Time A and B in turns, and compare their probabilities."""
    print(f"{platform.processor() or platform.machine()}, {args.threads} threads, ", end="")
    print(f"{torch.backends.cpu.get_cpu_capability()}, {args.clock} time, ", end="")
    print(
        f"torch {torch.__version__}, float32, {args.repeats} repeats in turns, "
        f"{args.busy} busy processes beside them\n"
    )
    print(
        "| clip | A (s) | B (s) | A / B, pairs | max prob. difference | pixels flipped | B first |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    a, b = network("A"), network("B")
    for length in args.lengths:
        for height_width in args.sizes:
            clip = read_clip(args.frames, length, height_width)
            first, _ = run(b, clip)
            run(a, clip)
            pairs = []
            for _ in range(args.repeats):
                (a_seconds, a_map), (b_seconds, b_map) = (run(m, clip, args.clock) for m in (a, b))
                pairs.append((a_seconds, b_seconds))
            ratios = sorted(x / y for x, y in pairs)
            a_times, b_times = zip(*pairs, strict=True)
            print(
                f"| {name(length, height_width)} | {median(a_times):.2f} | {median(b_times):.2f} "
                f"| **{median(ratios):.2f}** ({ratios[0]:.2f} to {ratios[-1]:.2f}) "
                f"| {difference(a_map, b_map)} | {first:.1f} s |",
                flush=True,
            )


def accuracy(args: argparse.Namespace) -> None:
    """Compare A and B with the plain module in float64."""
    print("| clip | pair | max prob. difference | pixels flipped |\n| --- | --- | --- | --- |")
    for length in args.lengths:
        for height_width in args.sizes:
            clip = read_clip(args.frames, length, height_width)
            maps = {way: run(network(way), clip)[1] for way in WAYS}
            exact = in_float64(network("A"))
            maps["float64"] = run(exact, clip.double())[1]
            for pair in ("A", "B"), ("A", "float64"), ("B", "float64"):
                found = difference(maps[pair[0]], maps[pair[1]])
                print(
                    f"| {name(length, height_width)} | {' - '.join(pair)} | {found} |", flush=True
                )


def name(length: int, size: Size) -> str:
    return f"{length} x {size[0]}x{size[1]}"


def difference(a: Tensor, b: Tensor) -> str:
    """Largest difference of probabilities, and the share of pixels on the other side of 0.5."""
    flipped = ((a > 0.5) != (b > 0.5)).sum().item()
    return f"{(a - b).abs().max():.1e} | {flipped} of {a.numel()} ({flipped / a.numel():.1e})"


class ByRows(nn.Module):
    """A 3x3x3 convolution by rows: in float64, torch unfolds 27 copies of its input."""

    def __init__(self, conv: nn.Conv3d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (1, 1, 1, 1, 1, 1))
        starts = range(0, x.shape[3] - 2, ROWS_IN_FLOAT64)
        slabs = [x[:, :, :, start : start + ROWS_IN_FLOAT64 + 2] for start in starts]
        parts = [F.conv3d(slab, self.conv.weight, self.conv.bias) for slab in slabs]
        return torch.cat(parts, dim=3)


def in_float64(model: nn.Module) -> nn.Module:
    for module in list(model.modules()):
        for key, child in module.named_children():
            if isinstance(child, nn.Conv3d) and child.padding == (1, 1, 1) and child.groups == 1:
                setattr(module, key, ByRows(child))
    return model.double()


def one(args: argparse.Namespace) -> None:
    """Seconds and peak memory of one way on one clip, as JSON; Linux only."""
    model = network(args.way)
    clip = read_clip(args.frames, args.lengths[0], args.sizes[0])
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the weights
    seconds = [run(model, clip)[0] for _ in range(args.repeats)]
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024  # of resident memory, in KiB
    print(json.dumps({"seconds": min(seconds), "peak_mib": peak}))


def in_own_process(args: argparse.Namespace, way: str, length: int, size: Size) -> dict[str, float]:
    command = [sys.executable, __file__, "--threads", str(args.threads), "--frames", args.frames]
    command += ["one", "--way", way, "--lengths", str(length), "--repeats", str(args.repeats)]
    command += ["--sizes", f"{size[0]}x{size[1]}"]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    measured: dict[str, float] = json.loads(result.stdout)
    return measured


def memory(args: argparse.Namespace) -> None:
    """Peak resident memory of A and of B, each in its own process."""
    print("| clip | A (MiB) | B (MiB) | B / A |\n| --- | --- | --- | --- |")
    for length in args.lengths:
        for height_width in args.sizes:
            a, b = (in_own_process(args, w, length, height_width)["peak_mib"] for w in WAYS)
            print(f"| {name(length, height_width)} | {a:.0f} | {b:.0f} | {b / a:.2f} |", flush=True)


def growth(args: argparse.Namespace) -> None:
    """Time and peak memory of A and B over clip length and size, each cell in its own process."""
    print("| size | frames | A (s) | B (s) | A / B | A (MiB) | B (MiB) |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for height, width in args.sizes:
        for length in args.lengths:
            a, b = (in_own_process(args, way, length, (height, width)) for way in WAYS)
            ratio = a["seconds"] / b["seconds"]
            print(
                f"| {height}x{width} | {length} | {a['seconds']:.2f} | {b['seconds']:.2f} "
                f"| {ratio:.2f} | {a['peak_mib']:.0f} | {b['peak_mib']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
