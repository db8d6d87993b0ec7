"""The trainer against the small program it took over from, on a CPU: loss curves, and the rate.

    python benchmarks/training.py start start.safetensors
    python benchmarks/training.py product start.safetensors PACKS -o 1.json --keep clips.npz
    python benchmarks/training.py reference start.safetensors PACKS --trainer DIR \\
        -o same.json --batches clips.npz
    python benchmarks/training.py reference start.safetensors PACKS --trainer DIR -o 2.json
    python benchmarks/training.py table 1.json same.json 2.json
    python benchmarks/training.py step --size 176 304
    python benchmarks/training.py rate start.safetensors PACKS --trainer DIR --data DATA

DIR holds the reference's train.py and data.py and, in ``code``, the package it was written for. All
begin with the same weights and see clips of the same kinds of the same packs, 60 steps of 4 clips
of 8 frames; ``--batches`` gives the reference the very clips of the product, else ``--seed`` says
which. ``rate`` lets three trainers take turns, a step of 2 clips of 8x224x400 each, and compares
processor time, all of it, clips included: the product with a mix, the reference, and the product
with clips from worker processes (here one process), as it trained before; DATA has davis16 and
saliency-images. ``step`` is forward, backward and step of the network that ships, on clips that are
there already: convolutions by torch and by oneDNN in turns, processor time.
"""

import argparse
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

LENGTH = 8
CURVES = {"steps": 60, "size": (96, 160), "clips": (2, 1, 1)}  # videos, stills, scenes
RATE_OF = {"steps": 12, "size": (224, 400), "clips": (1, 0, 1)}
WARM = 3  # steps that are not counted
VIDEO_PACKS, STILL_PACKS = ["videos"], ["stills-more"]
SCOUT = ("boys-beach", "cat-reflection", "swan-lake")  # a group that the reference draws as often
RATE, WARMUP, DECAY, ENCODER_RATE = 6e-4, 10, 0.02, 0.4
MODEL = {"width": "lite2", "channels": 64, "finest": 24}


def start(out: Path) -> None:
    """ImageNet weights with a fresh decoder."""
    from safetensors.torch import save_file

    from threedcseg.models import create_model

    torch.manual_seed(0)
    network = create_model("compact", **MODEL)
    network.encoder.load_imagenet()
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, out)


def recipe(
    packs: Path, seed: int, steps: int, size: tuple[int, int], clips: tuple[int, ...]
) -> Any:
    from threedcseg.training.clips.appearance import Appearance
    from threedcseg.training.clips.layers import Composition, Framing, Mix
    from threedcseg.training.clips.synthesis import Motion
    from threedcseg.training.recipe import Recipe, Source, Stage

    alike = Mix(  # as near to the reference's clips as ours come
        *clips,
        framing=Framing(motion=Motion(shake=0.002)),
        composition=Composition(
            followed=0.0,
            late=0.0,
            companions=0.0,
            twins=0.35,
            crowd=0.0,
            wiggle=0.0,
            lines=0.0,
            occluders=0.3,
        ),
        appearance=Appearance(compression=0.0, spray=0.0),
    )
    stage = Stage(
        "clips",
        (
            *(Source("pack", name, only=SCOUT) for name in VIDEO_PACKS),
            *(Source("pack", name, without=SCOUT) for name in VIDEO_PACKS),
            *(Source("pack", name) for name in STILL_PACKS),
        ),
        size,
        RATE,
        steps,
        mix=alike,
        clip_length=LENGTH,
        warmup=WARMUP,
        rates={"encoder": ENCODER_RATE},
    )
    return Recipe(
        model={"name": "compact", **MODEL},
        stages=(stage,),
        data=str(packs),
        seed=seed,
        imagenet=False,
        weight_decay=DECAY,
        loss={"edges": 1.0},
        moving_average=0.9985,
        checkpoint_every=10**6,
    )


def fitted(
    given: Any, weights: Path, batches: Any, folded: bool, log: Callable[[Any], None]
) -> None:
    from safetensors.torch import load_file

    from threedcseg.models import create_model
    from threedcseg.training.convolutions import fastest_convolution
    from threedcseg.training.folding import fold
    from threedcseg.training.loop import fit

    network = create_model("compact", **MODEL)
    network.load_state_dict(load_file(weights))
    cpu = torch.device("cpu")
    if folded:
        fold(network, fastest_convolution(cpu, torch.float32)[0])
    out = Path(f"run-{given.seed}-{time.time():.0f}")
    fit(given, network, out, batches, device=cpu, log=log)


def product(weights: Path, packs: Path, seed: int, keep: Path | None) -> list[float]:
    from threedcseg.training.clips.on_device import DeviceBatches
    from threedcseg.training.distributed import World

    given = recipe(packs, seed, **CURVES)
    batches = DeviceBatches(given, World(), torch.device("cpu"))
    # The reference sets no standing camera in motion.
    entries = batches.canvases.entries
    batches.canvases.entries = tuple(replace(entry, static=False) for entry in entries)
    if keep is not None:
        kept = list(batches(0, 0))
        both = {"frames": [b.frames for b in kept], "masks": [b.masks for b in kept]}
        np.savez(keep, **{name: torch.stack(some).numpy() for name, some in both.items()})
    losses: list[float] = []
    fitted(given, weights, batches, True, lambda record: losses.append(record["loss"]))
    return losses


def reference(
    weights: Path,
    packs: Path,
    seed: int,
    trainer: Path,
    batches: Path | None = None,
    steps: int = CURVES["steps"],
    size: tuple[int, int] = CURVES["size"],
    clips: tuple[int, ...] = CURVES["clips"],
    tick: Callable[[], None] = lambda: None,
) -> list[float]:
    """Its own program, whose clock is set to a second a step."""
    sys.path[:0] = [str(trainer), str(trainer / "code")]
    program, data = importlib.import_module("train"), importlib.import_module("data")
    losses: list[float] = []
    given = np.load(batches) if batches else None
    loss_of, make = program.loss_of, data.Clips.batch

    def noted(*tensors: torch.Tensor) -> torch.Tensor:
        loss = loss_of(*tensors)
        losses.append(loss.item())
        return loss

    def made(*args: object) -> tuple[torch.Tensor, ...]:
        if losses:
            tick()
        if given is not None:
            both = (torch.from_numpy(given[name][len(losses)]) for name in ("frames", "masks"))
            return tuple(levels.float() / 255 for levels in both)
        with torch.no_grad():
            result: tuple[torch.Tensor, ...] = make(*args)
        return result

    program.loss_of, data.Clips.batch = noted, made
    program.time = SimpleNamespace(time=lambda: float(len(losses)))
    options = {
        "data": str(packs),
        "video": VIDEO_PACKS,
        "stills": STILL_PACKS,
        "share_davis": {"davis": 0.0, "extra": 1.0, "scout": 1.0},
        "stills_share": 0.0,
        "batch_b": clips,
        "size_b": size,
        "lr": RATE,
        "warmup": WARMUP,
        "encoder_rate": ENCODER_RATE,
        "wd": DECAY,
        "drop": 0.0,
        "val": False,
        "init": str(weights),
        "seed": seed,
        "every": 1e9,
        "model": MODEL,
    }
    out = Path(f"reference-{seed}-{time.time():.0f}")
    out.mkdir()
    sys.argv = ["train.py", str(out), str(steps), json.dumps(options)]
    program.main()
    return losses


def turns(what: str, weights: Path, packs: Path, trainer: Path, data: Path) -> None:
    """Steps of one trainer: after each a line of its processor time, then a line is awaited."""
    torch.set_num_threads(1)
    last = time.process_time()

    def tick(record: Any = None) -> None:
        nonlocal last
        print(f"took {time.process_time() - last}", flush=True)
        sys.stdin.readline()
        last = time.process_time()

    if what == "reference":
        reference(weights, packs, 1, trainer, **RATE_OF, tick=tick)
        return
    from threedcseg.allocation import keep_freed_memory
    from threedcseg.training.clips.loader import ClipLoader
    from threedcseg.training.clips.on_device import DeviceBatches
    from threedcseg.training.distributed import World
    from threedcseg.training.recipe import Source

    keep_freed_memory()  # as the command does
    given = recipe(packs, 1, **RATE_OF)
    if what == "product":
        batches: Any = DeviceBatches(given, World(), torch.device("cpu"))
    else:
        sources = (
            Source("davis16", "davis16", "train", "288p", spans=(8, 16, 32)),
            Source("stills", "saliency-images", separate=0.5),
        )
        stage = replace(given.stages[0], mix=None, batch_size=2, sources=sources)
        losses = {"cross_entropy": 1.0, "dice": 0.5}
        given = replace(given, data=str(data), stages=(stage,), loss=losses)
        batches = ClipLoader(given, World())
    fitted(given, weights, batches, what == "product", tick)


def rate(weights: Path, packs: Path, trainer: Path, data: Path) -> None:
    """Processor seconds a step of each trainer, in turns."""
    names = ("product", "reference", "before")
    children = {}
    for name in names:
        words = [sys.executable, __file__, "turns", weights, packs, "--trainer", trainer]
        words += ["--data", data, "--which", name, "--size", *RATE_OF["size"]]
        children[name] = subprocess.Popen(
            list(map(str, words)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for step in range(RATE_OF["steps"] - 1):
        for name, child in children.items():
            if step:
                child.stdin.write("\n")
                child.stdin.flush()
            while not (line := child.stdout.readline()).startswith("took "):
                if not line:
                    raise SystemExit(f"{name} ended")
            seconds[name].append(float(line.split()[1]))
            print(name, f"{seconds[name][-1]:.2f}", flush=True)
    for child in children.values():
        child.kill()
    frames = LENGTH * sum(RATE_OF["clips"])
    for name in names:
        each = np.array(seconds[name][WARM:])
        ratio = np.median(each / np.array(seconds["reference"][WARM:]))
        print(f"{name}: {np.median(each) / frames:.3f} s a frame, {ratio:.2f} of the reference's")


def step(size: tuple[int, int], clips: int, threads: int, repeats: int = 6) -> None:
    """Processor seconds of a step, by torch and by oneDNN, in turns: convolutions and AdamW."""
    from threedcseg.allocation import keep_freed_memory
    from threedcseg.models import create_model
    from threedcseg.training import onednn
    from threedcseg.training.convolutions import by_torch
    from threedcseg.training.folding import fold
    from threedcseg.training.preparation import freeze_batch_norm

    keep_freed_memory()
    torch.set_num_threads(threads)
    ways = {"torch": by_torch, "oneDNN": onednn.convolution}
    networks = {name: create_model("compact", **MODEL, motion=True) for name in ways}
    optimizers = {}
    for name, network in networks.items():
        freeze_batch_norm(network.train(), "frozen-statistics")
        fold(network, ways[name])
        optimizers[name] = torch.optim.AdamW(network.parameters(), fused=name == "oneDNN")
    clip, target = torch.rand(clips, 3, LENGTH, *size), torch.ones(clips, 1, LENGTH, *size)
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for repeat in range(repeats + 1):
        for name, network in networks.items():
            start = time.process_time()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(network(clip), target)
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
            if repeat:  # the first one warms up
                seconds[name].append(time.process_time() - start)
    for name, values in seconds.items():
        median = float(np.median(values))
        print(f"{name}: {median:.3f} s a step, {clips * LENGTH / median:.1f} frames a second")
    ratio = np.median(np.array(seconds["torch"]) / np.array(seconds["oneDNN"]))
    print(f"{ratio:.2f} times as fast")


def table(files: list[Path]) -> None:
    """Means of ten steps, and how far apart the runs are."""
    runs = {path.stem: json.loads(path.read_text()) for path in files}
    print("| steps | " + " | ".join(runs) + " |")
    print("| --- |" + " ---: |" * len(runs))
    for first in range(0, CURVES["steps"], 10):
        cells = (f"{np.mean(losses[first : first + 10]):.4f}" for losses in runs.values())
        print(f"| {first + 1} to {first + 10} | " + " | ".join(cells) + " |")
    for name, losses in runs.items():
        print(f"\n{name}: " + " ".join(f"{loss:.4f}" for loss in losses))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    whats = ["start", "product", "reference", "table", "rate", "turns", "step"]
    parser.add_argument("what", choices=whats)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trainer", type=Path, help="the reference's folder")
    parser.add_argument("--keep", type=Path, help="write the product's batches to this file")
    parser.add_argument("--batches", type=Path, help="give the reference these")
    parser.add_argument("--data", type=Path, help="folder of davis16 and saliency-images")
    parser.add_argument(
        "--size", nargs=2, type=int, default=[224, 400], help="of clips of `rate`, `step`"
    )
    parser.add_argument("--clips", type=int, default=1, help="of a `step`")
    parser.add_argument("--threads", type=int, default=1, help="of a `step`")
    parser.add_argument("--which", help=argparse.SUPPRESS)
    args = parser.parse_args()
    RATE_OF["size"] = tuple(args.size)
    if args.what == "start":
        start(*args.paths)
    elif args.what == "step":
        step(RATE_OF["size"], args.clips, args.threads)
    elif args.what == "table":
        table(args.paths)
    elif args.what == "rate":
        rate(*args.paths, args.trainer, args.data)
    elif args.what == "turns":
        turns(args.which, *args.paths, args.trainer, args.data)
    else:
        if args.what == "product":
            losses = product(*args.paths, args.seed, args.keep)
        else:
            losses = reference(*args.paths, args.seed, args.trainer, args.batches)
        args.out.write_text(json.dumps(losses))


if __name__ == "__main__":
    main()
