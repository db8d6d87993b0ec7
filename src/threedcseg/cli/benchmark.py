"""`3dcseg benchmark`: seconds a clip and a frame on this device, as in Tables 1 and 4."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

    from threedcseg.inference.settings import Settings
    from threedcseg.segmentation.timing import Timing

BUDGET = 60.0
"""Seconds for the timing of a video: with imports and the first block, less than two minutes."""

EPILOG = """\
Times every encoder (Table 1: feature maps of one clip) and every model (Table 4: seconds a frame)
on a clip of noise. Each is run once before it is timed, and the device is waited for. Networks have
fresh weights, which take the same time as trained ones, and are made ready as for `segment`.
Seconds a frame are the paper's: of clips that overlap by 3 frames, 5 of 8 are new.

With --video, a video is segmented instead, by the model that --names gives (default: compact, with
its weights), and its parts are timed by themselves as well; of a long video, or on a slow machine,
only so much that it ends within a minute or two.

Give the machine nothing else to do meanwhile. The spread is from the least to the most.

Examples:
  3dcseg benchmark                                      # everything; minutes on a CPU
  3dcseg benchmark --names compact,ir-csn-152 --repeats 5
  3dcseg benchmark --size 256x448 --device cuda --precision float16 --json times.json
  3dcseg benchmark --video dog.mp4
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; imports no torch."""
    parser.epilog = EPILOG
    parser.add_argument("--names", help="encoders and models, with commas between (default: all)")
    parser.add_argument("--video", type=Path, metavar="FILE", help="time the whole path on it")
    parser.add_argument(
        "--size", default="480x854", metavar="HxW", help="of a clip's frames (480x854)"
    )
    parser.add_argument(
        "--clip-length", type=int, metavar="N", help="(8; with --video what the weights say)"
    )
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="timed runs (3)")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    parser.add_argument(
        "--precision",
        default="float32",
        choices=["float32", "bfloat16", "float16"],
        help="float32 (default), bfloat16, float16 (GPU)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the times to a file too")


def run(args: argparse.Namespace) -> int:
    """Print the table as Markdown; returns 0."""
    import torch

    from threedcseg.atomic import replacing
    from threedcseg.errors import InputError
    from threedcseg.models.device import pick_device
    from threedcseg.models.loading import load_model

    if args.repeats < 1 or (args.clip_length is not None and args.clip_length < 1):
        raise InputError("--repeats and --clip-length", "give 1 or more")
    device = pick_device(args.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    threads = f", {torch.get_num_threads()} threads" if device.type == "cpu" else ""
    print(f"device {name}{threads}, {args.precision}, torch {torch.__version__}", file=sys.stderr)
    rows: list[dict[str, Any]] = []
    if args.video:
        names = (args.names or "compact").split(",")
        networks = (
            (name, load_model(name, args.device, precision=args.precision)) for name in names
        )
        measured = _of_video(args.video, networks, args.clip_length, device, args.repeats)
    else:
        size = [-(-side // 32) * 32 for side in _size(args.size)]
        dtype = getattr(torch, args.precision)
        measured = _of_clips(
            args.names, (args.clip_length or 8, *size), device, dtype, args.repeats
        )
    for row in measured:
        if not rows:
            print("| " + " | ".join(row) + " |\n|" + " --- |" * len(row))
        print("| " + " | ".join(str(cell) for cell in row.values()) + " |", flush=True)
        rows.append(row)
    if args.json:
        about = {"device": name, "precision": args.precision, "torch": torch.__version__}
        text = json.dumps({**about, "threads": torch.get_num_threads(), "rows": rows}, indent=2)
        with replacing(args.json) as temporary:
            temporary.write_text(text)
    return 0


def _of_clips(
    names: str | None,
    shape: tuple[int, ...],
    device: "torch.device",
    dtype: "torch.dtype",
    repeats: int,
) -> Iterator[dict[str, Any]]:
    from threedcseg.models.fast.prepare import prepare_for_inference
    from threedcseg.published import TABLE_1, TABLE_4
    from threedcseg.segmentation.timing import seconds_a_frame, time_clip

    published = {name: f"{cost.seconds} a clip (Table 1)" for name, cost in TABLE_1.items()}
    published["3dc-seg"] = f"{TABLE_4['3DC-Seg']['seconds a frame']} a frame (Table 4)"
    frames, height, width = shape
    for name, kind, build in _networks(names):
        network = prepare_for_inference(build()).to(device)
        timing = time_clip(network, frames, (height, width), device, dtype, repeats)
        yield {
            "network": name,
            "kind": kind,
            "clip": "x".join(map(str, shape)),
            "seconds a clip": f"{timing.median:.3f}",
            "spread": _spread(timing),
            "seconds a frame": f"{seconds_a_frame(timing.median, frames):.4f}",
            "paper, GTX 1080 Ti": published.get(name, ""),
        }


def _of_video(
    video: Path,
    networks: Iterable[tuple[str, "nn.Module"]],
    clip_length: int | None,
    device: "torch.device",
    repeats: int,
) -> Iterator[dict[str, Any]]:
    from threedcseg.inference.settings import Settings
    from threedcseg.models.fast.prepare import precision_of
    from threedcseg.segmentation.timing import time_video

    given: dict[str, Any] = {} if clip_length is None else {"clip_length": clip_length}
    for name, network in networks:
        settings = Settings.recommended_by(network, **given)
        times = time_video(video, network, settings, device, repeats, budget=BUDGET)
        for part in ("reading", "network", "resizing", "writing", "end_to_end"):
            timing = getattr(times, part)
            yield {
                "network": name,
                "part": part.replace("_", " "),
                "seconds a frame": f"{timing.median:.4f}",
                "spread": _spread(timing),
                "frames/s": f"{1 / timing.median:.1f}",
            }
        print(f"{times.num_frames} frames, {len(times.network.seconds)} times", file=sys.stderr)
        for line in _advice(settings, device, precision_of(network)):
            print(line, file=sys.stderr)


def _advice(settings: "Settings", device: "torch.device", precision: str) -> Iterator[str]:
    """What the user may do for more frames a second, and what it costs."""
    from threedcseg.models.device import computes_bfloat16

    yield "To be faster:"
    if precision == "float32" and device.type == "cuda":
        yield "  --precision float16       half as many bytes"
    elif precision == "float32" and device.type == "cpu" and computes_bfloat16():
        yield "  --precision bfloat16      this CPU computes in it; masks differ by a few pixels"
    if settings.tta > 1:
        yield f"  --tta 1                   one view of each clip instead of {settings.tta}"
    if settings.short_edge > 224:
        share = (224 / settings.short_edge) ** 2
        yield f"  --short-edge 224          {share:.0%} of the network's work; coarser edges"
    if device.type == "cpu":
        yield "  3dcseg export             and --model FILE.onnx or FILE.xml: another runtime"


def _networks(names: str | None) -> Iterator[tuple[str, str, "Callable[[], nn.Module]"]]:
    """Name, kind and builder of those asked for; raises `InputError` for an unknown name."""
    from threedcseg.models.registry import ENCODERS, MODELS, create_model

    wanted = names.split(",") if names else [*ENCODERS, *MODELS]
    for name in wanted:
        if name not in MODELS:
            ENCODERS[name]  # raises with the nearest names
    for name in wanted:
        if name in MODELS:
            yield name, "model", partial(create_model, name)
        else:
            yield name, "encoder", partial(ENCODERS.build, name)


def _size(text: str) -> tuple[int, int]:
    from threedcseg.errors import InputError

    parts = text.lower().split("x")
    if len(parts) != 2 or not all(p.isdigit() and int(p) > 0 for p in parts):
        raise InputError(f"--size {text!r}", "give height x width, such as 480x854")
    return int(parts[0]), int(parts[1])


def _spread(timing: "Timing") -> str:
    return f"{timing.least:.3g} to {timing.most:.3g}"
