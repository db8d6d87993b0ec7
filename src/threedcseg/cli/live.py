"""`3dcseg segment camera:0`, `rtsp://...`, `-`: live sources, and masks to a pipe."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from threedcseg.errors import InputError

if TYPE_CHECKING:
    from threedcseg.inference.settings import Settings
    from threedcseg.segmentation.task import Task, Worker
    from threedcseg.segmentation.video import VideoResult
    from threedcseg.video.frame import FrameSource
    from threedcseg.video.live import LiveSource

STDOUT = Path("-")
_REPORT_EVERY = 2.0  # seconds


def add_live(parser: argparse.ArgumentParser) -> None:
    """The options of live sources and pipes; imports no torch."""
    group = parser.add_argument_group(
        "live", "INPUT may be camera:0, rtsp://, udp://, tcp://, http://... or - (docs/live.md)"
    )
    group.add_argument(
        "--when-behind",
        choices=["drop-oldest", "wait"],
        help="frames come faster than masks: drop (cameras, streams) or wait (pipes)",
    )
    group.add_argument(
        "--queue", type=int, metavar="N", help="frames that may wait for the network (8)"
    )
    group.add_argument(
        "--size", metavar="WxH", help="standard input holds raw frames of this size (else y4m)"
    )
    group.add_argument("--pixel-format", help="of raw frames (rgb24)")
    group.add_argument(
        "--pipe-format",
        choices=["y4m", "gray"],
        help="of masks on standard output (-o -): y4m (default) or bare gray",
    )


def check_live_options(args: argparse.Namespace, live: bool) -> None:
    """Raise `InputError` for options that would do nothing here."""
    of_live = "goes with a camera, a stream or standard input"
    of_recordings = "goes with recordings, of which a part can be read"
    of_raw = "goes with raw frames on standard input (-)"
    for option, applies, why in (
        ("when_behind", live, of_live),
        ("queue", live, of_live),
        ("size", "-" in args.inputs, of_raw),
        ("pixel_format", args.size is not None, of_raw + " and their --size"),
        ("start", not live, of_recordings),
        ("end", not live, of_recordings),
        ("pipe_format", args.output == STDOUT, "goes with masks on standard output (-o -)"),
    ):
        if getattr(args, option) is not None and not applies:
            raise InputError(f"--{option.replace('_', '-')} {why}", "leave it out")


def run_live(args: argparse.Namespace, task: "Task") -> int:
    """Segment one source until it ends or is stopped; returns 0 for both, since a live run has no
    other end and its files are whole, but 3 where frames could not be decoded. `InputError` for raw
    frames that cannot be."""
    from threedcseg.inference.predictor import context_of
    from threedcseg.outputs.doubt import to_check
    from threedcseg.segmentation.video import segment_to_folder
    from threedcseg.video.live import LiveSource, is_live, live_name, without_password
    from threedcseg.video.pipe import RawFormat

    (name,) = args.inputs
    raw = None
    if args.size:
        raw = RawFormat.parse(args.size, args.pixel_format or "rgb24", args.fps or "25")
    worker = task.start()
    segment = partial(
        segment_to_folder,
        folder=args.output / live_name(name),
        network=worker.network,
        settings=worker.settings,
        write=task.write,
        rendering=task.rendering,
        provenance=worker.provenance,
        redo=task.redo,
        reading=task.reading,
    )

    def told(result: "VideoResult", shown: str, dropped: str = "") -> None:
        line = f"{result.num_frames} frames of {shown}{dropped} -> {result.folder}"
        if not args.quiet:
            print(f"{line}{to_check(result.doubtful)}", flush=True)

    if not is_live(name):
        with task.reading.open(name) as video:
            if args.output == STDOUT:
                return _to_pipe(video, worker, args, lambda source: None)
            shown = without_password(name)
            told(segment(video, shown), shown)
        return _status(video)
    live = LiveSource(
        name,
        raw=raw,
        when_behind=args.when_behind,
        queue=8 if args.queue is None else args.queue,
        deinterlace=task.reading.deinterlace,
        max_pixels=task.reading.max_pixels,
    )
    with _stopped_by_signals(live), live as source:
        delay = _window_delay(worker.settings, context_of(worker.network, worker.settings))
        report = _Report(source, delay, args.quiet)
        if args.output == STDOUT:
            status = _to_pipe(source, worker, args, report)
            report.end()
            return status
        result = segment(source, source.shown, live=source.record, on_frame=report)
        report.end()
    told(result, source.shown, f", {source.num_dropped} dropped" if source.num_dropped else "")
    return _status(source)


def _status(source: "FrameSource") -> int:
    from threedcseg.segmentation.batch import DAMAGED

    if not source.damage:
        return 0
    print(f"damaged: {source.damage}", file=sys.stderr)
    return DAMAGED


def _to_pipe(
    source: "FrameSource",
    worker: "Worker",
    args: argparse.Namespace,
    on_frame: Callable[["FrameSource"], None],
) -> int:
    from threedcseg.outputs.edges import grown, hard_alpha
    from threedcseg.segmentation.video import segment_source
    from threedcseg.video.pipe import PipeWriter

    with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as stdout:
        writer = PipeWriter(stdout, source.rate, args.pipe_format or "y4m")
        try:
            for _, probabilities in segment_source(source, worker.network, worker.settings):
                mask = worker.settings.mask(probabilities)
                writer.write(hard_alpha(grown(mask, worker.task.rendering.grow)))
                on_frame(source)
        except BrokenPipeError:  # the program behind has seen enough
            if not args.quiet:
                print("nobody reads standard output any more: stopped", file=sys.stderr)
    return _status(source)


@contextmanager
def _stopped_by_signals(source: "LiveSource") -> Iterator[None]:
    """Ctrl-C and SIGTERM end the source, and with it the run, cleanly; a second one interrupts."""

    def stop(number: int, frame: object) -> None:
        if source.stopped:
            raise KeyboardInterrupt
        source.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _window_delay(settings: "Settings", context: int) -> int:
    """Frames that must come in after a frame before it is handed out, at most (`Settings`)."""
    shared = settings.overlap if settings.emit == "early" else 0
    windows = (settings.clip_length - shared + context) * settings.stride - 1
    return windows + settings.median // 2


class _Report:
    """What goes on, on standard error: a line on a terminal, now and then one in a log."""

    def __init__(self, source: "LiveSource", delay: int, quiet: bool) -> None:
        self._source, self._count, self._last = source, 0, time.monotonic()
        self._quiet = quiet
        self._print(
            f"{source.shown}: {source.width}x{source.height}, {float(source.rate):g} frames/s; "
            f"windows delay up to {delay} frames ({1000 * delay / float(source.rate):.0f} "
            f"ms); when behind: {source.when_behind}; Ctrl-C stops"
        )

    def __call__(self, source: "FrameSource") -> None:
        self._source.delivered()
        self._count += 1
        if time.monotonic() - self._last >= _REPORT_EVERY:
            self._last = time.monotonic()
            self._print(self._state(), "\r" if sys.stderr.isatty() else "\n")

    def end(self) -> None:
        self._print(self._state())
        if self._source.ended_by is not None:
            print(f"the source ended early: {self._source.ended_by}", file=sys.stderr)

    def _print(self, line: str, end: str = "\n") -> None:
        if not self._quiet:
            print(line, end=end, file=sys.stderr, flush=True)

    def _state(self) -> str:
        source, delay = self._source, self._source.delay
        return (
            f"{self._count} frames, delay {delay} (most {delay.max_frames} frames, "
            f"{1000 * delay.max_seconds:.0f} ms), {source.num_dropped} dropped"
        )
