"""Does the trainer train as the small program it took over from? Loss curves of both on a CPU.

    python benchmarks/equal_training.py start start.safetensors
    python benchmarks/equal_training.py product start.safetensors PACKS -o 1.json --keep clips.npz
    python benchmarks/equal_training.py reference start.safetensors PACKS --trainer DIR \\
        -o same.json --batches clips.npz
    python benchmarks/equal_training.py reference start.safetensors PACKS --trainer DIR -o 2.json
    python benchmarks/equal_training.py table 1.json same.json 2.json

DIR holds the reference's train.py and data.py and, in ``code``, the package it was written for.
All begin with the same weights and see clips of the same kinds of the same packs, 60 steps of 4
clips of 8 frames; ``--batches`` gives the reference the very clips of the product; else
``--seed`` says which.
"""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

STEPS, LENGTH, SIZE = 60, 8, (96, 160)
VIDEOS, STILLS, SCENES = 2, 1, 1
VIDEO_PACKS, STILL_PACKS = ["videos"], ["stills-more"]
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


def product(weights: Path, packs: Path, seed: int, keep: Path | None) -> dict[str, list[float]]:
    from safetensors.torch import load_file

    from threedcseg.models import create_model
    from threedcseg.training.clips.appearance import Appearance
    from threedcseg.training.clips.layers import Composition, Framing, Mix
    from threedcseg.training.clips.on_device import DeviceBatches
    from threedcseg.training.clips.synthesis import Motion
    from threedcseg.training.depthwise import depthwise_torch
    from threedcseg.training.distributed import World
    from threedcseg.training.folding import fold
    from threedcseg.training.loop import fit
    from threedcseg.training.recipe import Recipe, Source, Stage

    alike = Mix(  # as near to the reference's clips as ours come
        videos=VIDEOS,
        stills=STILLS,
        scenes=SCENES,
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
    sources = [Source("pack", name) for name in (*VIDEO_PACKS, *STILL_PACKS)]
    stage = Stage(
        "clips",
        tuple(sources),
        SIZE,
        RATE,
        STEPS,
        mix=alike,
        clip_length=LENGTH,
        warmup=WARMUP,
        encoder_rate=ENCODER_RATE,
    )
    recipe = Recipe(
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
    network = create_model("compact", **MODEL)
    network.load_state_dict(load_file(weights))
    fold(network, depthwise_torch)
    cpu = torch.device("cpu")
    batches = DeviceBatches(recipe, World(), cpu)
    if keep is not None:
        kept = list(batches(0, 0))
        both = {"frames": [b.frames for b in kept], "masks": [b.masks for b in kept]}
        np.savez(keep, **{name: torch.stack(some).numpy() for name, some in both.items()})
    records: list[dict] = []
    out = Path(f"{keep or 'run'}-{seed}-{time.time():.0f}")
    fit(recipe, network, out, batches, device=cpu, log=records.append)
    steps = [record for record in records if record["event"] == "step"]
    return {"losses": [r["loss"] for r in steps], "seconds": [r["seconds"] for r in steps]}


def reference(
    weights: Path, packs: Path, seed: int, trainer: Path, batches: Path | None
) -> dict[str, list[float]]:
    """Its own program, whose clock is set to a second a step."""
    sys.path[:0] = [str(trainer), str(trainer / "code")]
    program, data = importlib.import_module("train"), importlib.import_module("data")
    losses: list[float] = []
    moments: list[float] = []
    given = np.load(batches) if batches else None
    loss_of, make = program.loss_of, data.Clips.batch

    def noted(*tensors: torch.Tensor) -> torch.Tensor:
        loss = loss_of(*tensors)
        losses.append(loss.item())
        return loss

    def made(*args: object) -> tuple[torch.Tensor, ...]:
        if given is not None:
            both = (torch.from_numpy(given[name][len(losses)]) for name in ("frames", "masks"))
            result = tuple(levels.float() / 255 for levels in both)
        else:
            with torch.no_grad():
                result = make(*args)
        moments.append(time.perf_counter())
        return result

    program.loss_of, data.Clips.batch = noted, made
    program.time = SimpleNamespace(time=lambda: float(len(losses)))
    options = {
        "data": str(packs),
        "video": VIDEO_PACKS,
        "stills": STILL_PACKS,
        "share_davis": {"davis": 0.0, "extra": 1.0, "scout": 1.0},
        "stills_share": 0.0,
        "batch_b": [VIDEOS, STILLS, SCENES],
        "size_b": list(SIZE),
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
    sys.argv = ["train.py", str(out), str(STEPS), json.dumps(options)]
    program.main()
    return {"losses": losses, "seconds": np.diff(moments).tolist()}


def table(files: list[Path]) -> None:
    """Means of ten steps, and how far apart the runs are."""
    runs = {path.stem: json.loads(path.read_text())["losses"] for path in files}
    print("| steps | " + " | ".join(runs) + " |")
    print("| --- |" + " ---: |" * len(runs))
    for first in range(0, STEPS, 10):
        cells = (f"{np.mean(losses[first : first + 10]):.4f}" for losses in runs.values())
        print(f"| {first + 1} to {first + 10} | " + " | ".join(cells) + " |")
    for name, losses in runs.items():
        print(f"\n{name}: " + " ".join(f"{loss:.4f}" for loss in losses))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["start", "product", "reference", "table"])
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trainer", type=Path, help="the reference's folder")
    parser.add_argument("--keep", type=Path, help="write the product's batches to this file")
    parser.add_argument("--batches", type=Path, help="give the reference these")
    args = parser.parse_args()
    if args.what == "start":
        return start(*args.paths)
    if args.what == "table":
        return table(args.paths)
    if args.what == "product":
        found = product(*args.paths, args.seed, args.keep)
    else:
        found = reference(*args.paths, args.seed, args.trainer, args.batches)
    args.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
