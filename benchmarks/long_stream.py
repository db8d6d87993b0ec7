"""Does a stream of hours need more memory than one of minutes?

    python benchmarks/long_stream.py                   # 400,000 frames: 4 hours, 27.8 a second
    python benchmarks/long_stream.py --frames 100000 --write masks,boxes

Small frames (64x36) come as y4m through a pipe, as fast as they are taken, and go the way of
`3dcseg segment -`: windows, shots, upsampling, objects, all outputs in one pass. The network is
one multiplication, so that hours pass in minutes: what remains is what may hold on to frames.
Squares cross the picture, each a new track.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WIDTH, HEIGHT, RATE = 64, 36, 27.8
MARKS = (10_000, 100_000, 400_000)
WRITE = "masks,overlay,alpha.mov,coco,cvat,boxes"


def send(count: int) -> None:
    """Y4m to standard output: two squares that cross a dim picture, in and out in 160 frames."""
    rows = np.arange(HEIGHT)[:, None].repeat(WIDTH, axis=1)
    pictures = []
    for index in range(160):
        luma = 40 + rows + np.random.default_rng(index).integers(0, 8, rows.shape)
        for top, left in ((4, index - 12), (20, 140 - index)):
            luma[top : top + 12, max(left, 0) : max(left + 12, 0)] = 220
        chroma = np.full(HEIGHT // 2 * (WIDTH // 2) * 2, 128, np.uint8)
        pictures.append(b"FRAME\n" + luma.astype(np.uint8).tobytes() + chroma.tobytes())
    sys.stdout.buffer.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F139:5 Ip A1:1 C420jpeg\n".encode())
    for index in range(count):
        sys.stdout.buffer.write(pictures[index % len(pictures)])


def peak() -> float:
    """Of this process up to now, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=MARKS[-1])
    parser.add_argument("--write", default=WRITE)
    parser.add_argument("--send", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.send is not None:
        send(args.send)
        return
    if hasattr(os, "sched_setaffinity"):  # threads for such small pictures only await one another
        os.sched_setaffinity(0, list(os.sched_getaffinity(0))[-1:])

    from threedcseg.inference.settings import Settings
    from threedcseg.outputs.formats import parse_outputs
    from threedcseg.segmentation.video import segment_to_folder
    from threedcseg.video.frame import FrameSource
    from threedcseg.video.live import LiveSource

    start = time.monotonic()

    def report(when: str) -> None:
        rate = done / (time.monotonic() - start)
        print(f"{when}: peak {peak():.0f} MiB ({rate:.0f} frames/s)", flush=True)

    done = 0

    def on_frame(source: FrameSource) -> None:
        nonlocal done
        done += 1
        live.delivered()
        if done in MARKS or done % 50_000 == 0:
            report(f"{done} frames ({done / RATE / 3600:.2f} hours)")

    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, __file__, "--send", str(args.frames)], stdout=subprocess.PIPE
        ) as sender,
        LiveSource("-", stdin=sender.stdout) as live,
    ):
        out = Path(folder) / "out"
        result = segment_to_folder(
            live,
            live.shown,
            out,
            lambda clip: clip[:, :1] * 20 - 10,
            Settings(short_edge=32, emit="early"),
            write=parse_outputs(args.write),
            live=live.record,
            on_frame=on_frame,
        )
        report("files closed")
        assert result.num_frames == args.frames == live.num_read and not live.num_dropped
        print(f"{len(result.cuts)} cuts, {args.write}")
        for file in sorted(path for path in out.iterdir() if path.suffix != ".png"):
            print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
