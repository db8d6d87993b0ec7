"""What spawned processes do in tests: here, where they can import it."""

import json
import os
from pathlib import Path

import torch

from threedcseg.errors import InputError
from threedcseg.training.distributed import World, joined


def talk(rank: int, folder: str) -> None:
    """Average, gather, agree and train, and write down what came of it."""
    world = World(rank, 2, rank)
    with joined(world, torch.device("cpu")):
        found = {"mean": world.mean(float(rank)), "gather": world.gather(f"rank {rank}")}
        buffer = torch.full((2,), float(rank) + 7)
        world.agree([buffer])
        network = torch.nn.Linear(1, 1, bias=False)
        ddp = world.ddp(network)
        with world.no_sync(ddp):
            ddp(torch.full((1, 1), rank + 1.0)).sum().backward()
        found["own"] = network.weight.grad.item()
        ddp(torch.full((1, 1), rank + 1.0)).sum().backward()
        found |= {"agreed": buffer.tolist(), "averaged": network.weight.grad.item()}
    Path(folder, f"{rank}.json").write_text(json.dumps(found))
    os._exit(0)  # as `3dcseg train` ends: gloo's threads can abort Python's shutdown


def leave(rank: int, folder: str) -> None:
    """Rank 1 goes away; rank 0 waits for it."""
    world = World(rank, 2, rank)
    try:
        with joined(world, torch.device("cpu")):
            world.mean(1.0)
            if rank == 1:
                os._exit(0)
            world.mean(1.0)
    except InputError as error:
        Path(folder, "told").write_text(str(error))
