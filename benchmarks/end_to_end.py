"""How fast a video becomes masks: frames a second, each part, time to the first mask, memory.

    python benchmarks/end_to_end.py                        # all tables of docs/performance.md
    python benchmarks/end_to_end.py --quick                # the same in a few minutes, less exactly
    python benchmarks/end_to_end.py dog.mp4 --precision float32
    python benchmarks/end_to_end.py --memory 10000         # peak memory against a 200-frame video

Reads, segments and writes as `3dcseg segment` does, in float32 and, where the CPU has it, in
bfloat16. Runs are interleaved; medians. Give the machine nothing else to do meanwhile.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "dog.mp4"
SIZES = {"480p": (854, 480), "1080p": (1920, 1080), "4K": (3840, 2160)}
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16")


def describe_cpu() -> str:
    """Model, threads, and those of `FEATURES` that it has."""
    import torch

    model, flags = platform.processor() or platform.machine(), set()
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                model = value.strip()
            if name.strip() in ("flags", "Features"):
                flags |= set(value.split())
    has = [feature for feature in FEATURES if feature in flags]
    used = torch.backends.cpu.get_cpu_capability()
    return (
        f"{model}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"{' '.join(has) or 'features unknown'} (PyTorch uses {used}), torch {torch.__version__}"
    )


def precisions() -> list[str]:
    """Those that this CPU computes in, not merely emulates."""
    from threedcseg.models.device import computes_bfloat16

    return ["float32", *(["bfloat16"] if computes_bfloat16() else [])]


def frames_per_second(video: Path, names: list[str], repeats: int) -> None:
    """Warm, in this process: whole videos through `segment_video`, loading left out."""
    from threedcseg import Settings, load_model, segment_video

    ways = {}
    for name in names:
        network = load_model("compact", device="cpu", precision=name)
        for tta in (1, 2, 4):
            settings = Settings.recommended_by(network, tta=tta)
            ways[name, tta] = network, settings
    seconds: dict[tuple[str, int], list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(repeats + 1):
            for way, (network, settings) in ways.items():
                start = time.perf_counter()
                result = segment_video(video, Path(folder) / "masks", network, settings)
                if repeat:  # the first one warms up
                    seconds[way].append(time.perf_counter() - start)
    print("| precision | views | frames/s end to end | spread |\n| --- | --- | --- | --- |")
    for (name, tta), values in seconds.items():
        rates = sorted(result.num_frames / value for value in values)
        middle, spread = statistics.median(rates), f"{rates[0]:.1f} to {rates[-1]:.1f}"
        print(f"| {name} | {tta} | {middle:.1f} | {spread} |", flush=True)


def parts(video: Path, names: list[str], repeats: int, count: int) -> None:
    """Milliseconds a frame of each part, for sizes of the source and outputs."""
    import torch

    from threedcseg import Settings, load_model
    from threedcseg.segmentation.timing import time_video

    columns = ["reading", "network", "resizing", "writing", "end_to_end"]
    print("| source | precision | output | " + " | ".join(columns).replace("_", " ") + " |")
    print("| --- " * (3 + len(columns)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for size, (width, height) in SIZES.items():
            scaled = Path(folder) / f"{size}.mp4"
            _loop(video, scaled, count, (width, height))
            for name in names:
                network = load_model("compact", device="cpu", precision=name)
                settings = Settings.recommended_by(network)
                for write in ("masks", "overlay", "alpha.mov"):
                    times = time_video(
                        scaled, network, settings, torch.device("cpu"), repeats, write
                    )
                    cells = [f"{1000 * getattr(times, part).median:.1f}" for part in columns]
                    print(f"| {size} | {name} | {write} | {' | '.join(cells)} |", flush=True)


def first_mask(video: Path, repeats: int) -> None:
    """From typing the command, in a new process, to the first mask under its name."""
    firsts = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "threedcseg.cli.main", "segment", str(video)]
            start = time.perf_counter()
            process = subprocess.Popen([*command, "-o", folder], stderr=subprocess.DEVNULL)
            while not any(Path(folder).glob("*/*.png")):
                if process.poll() is not None:
                    raise SystemExit("the command failed")
                time.sleep(0.01)
            firsts.append(time.perf_counter() - start)
            process.terminate()
            process.wait()
    print(f"first mask: {statistics.median(firsts):.2f} s after the command ({repeats} runs)")


def peak_memory(video: Path, num_frames: int) -> None:
    """Peak resident memory of segmenting ``video`` looped to 200 and to ``num_frames`` frames."""
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in (200, num_frames):
            looped = Path(folder) / f"{count}.mp4"
            _loop(video, looped, count)
            command = [sys.executable, __file__, "--peak-of", str(looped)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peaks[count] = int(done.stdout.split()[-1]) / 1024
            print(f"{count} frames: peak {peaks[count]:.0f} MiB", flush=True)
    print(f"ratio {peaks[num_frames] / peaks[200]:.3f}")


def _peak_of(video: Path) -> None:
    from threedcseg.cli.main import main

    with tempfile.TemporaryDirectory() as folder:
        main(["segment", str(video), "-o", folder])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _loop(video: Path, looped: Path, count: int, size: tuple[int, int] | None = None) -> None:
    import av

    with av.open(str(looped), "w") as target:
        stream = target.add_stream("libx264", rate=24, options={"preset": "veryfast"})
        written = 0
        while written < count:
            with av.open(str(video)) as source:
                for frame in source.decode(video=0):
                    if written == count:
                        break
                    if written == 0:
                        stream.width, stream.height = size or (frame.width, frame.height)
                    if size:
                        frame = frame.reformat(*size)
                    frame.pts, frame.time_base = written, Fraction(1, 24)
                    target.mux(stream.encode(frame))
                    written += 1
        target.mux(stream.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", nargs="?", type=Path, default=EXAMPLE)
    parser.add_argument("--precision", nargs="+", help="default: those that the CPU computes in")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one repeat, few frames")
    parser.add_argument("--memory", type=int, metavar="FRAMES")
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak_of:
        _peak_of(args.peak_of)
        return
    if args.memory:
        peak_memory(args.video, args.memory)
        return
    from threedcseg.allocation import keep_freed_memory

    keep_freed_memory()
    repeats = 1 if args.quick else args.repeats
    names = args.precision or precisions()
    print(describe_cpu() + "\n")
    frames_per_second(args.video, names, repeats)
    print()
    first_mask(args.video, repeats)
    print("\nMilliseconds a frame; reading and writing go on while the network computes.\n")
    parts(args.video, names, repeats, 48 if args.quick else 96)


if __name__ == "__main__":
    main()
