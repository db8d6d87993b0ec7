"""How fast a video becomes masks: frames a second, time to the first mask, peak memory.

    python benchmarks/end_to_end.py                        # the example, all three figures
    python benchmarks/end_to_end.py --precision float32 bfloat16
    python benchmarks/end_to_end.py --memory 10000         # peak memory against a 200-frame video

Reads, segments and writes PNG masks as `3dcseg segment` does. Runs are interleaved; medians.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "dog.mp4"


def frames_per_second(video: Path, precisions: list[str], repeats: int) -> None:
    """Warm, in this process: whole videos through `segment_video`, loading left out."""
    from threedcseg import Settings, load_model, segment_video

    ways = {}
    for name in precisions:
        network = load_model("compact", device="cpu", precision=name)
        ways[name] = network, Settings()
        for tta in (2, 4):
            ways[f"{name}, tta {tta}"] = network, Settings(tta=tta)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(repeats + 1):
            for name, (network, settings) in ways.items():
                start = time.perf_counter()
                result = segment_video(video, Path(folder) / name, network, settings)
                if repeat:  # the first one warms up
                    seconds[name].append(time.perf_counter() - start)
    for name, values in seconds.items():
        rates = sorted(result.num_frames / value for value in values)
        print(
            f"{name}: {statistics.median(rates):.1f} frames/s end to end "
            f"(from {rates[0]:.1f} to {rates[-1]:.1f}, {repeats} runs of {result.num_frames} "
            "frames)"
        )


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


def _loop(video: Path, looped: Path, count: int) -> None:
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
                        stream.width, stream.height = frame.width, frame.height
                    frame.pts, frame.time_base = written, Fraction(1, 24)
                    target.mux(stream.encode(frame))
                    written += 1
        target.mux(stream.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", nargs="?", type=Path, default=EXAMPLE)
    parser.add_argument("--precision", nargs="+", default=["auto"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", type=int, metavar="FRAMES")
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak_of:
        _peak_of(args.peak_of)
    elif args.memory:
        peak_memory(args.video, args.memory)
    else:
        frames_per_second(args.video, args.precision, args.repeats)
        first_mask(args.video, args.repeats)


if __name__ == "__main__":
    main()
