"""The processes of one training job, on one machine or several, as `torchrun` starts them.

One process a device, each with a copy of the network; gradients are averaged over all of them. A
`World` of one process, the default, does nothing, so that the loop is written once.
"""

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from threedcseg.errors import InputError

T = TypeVar("T")

PATIENCE = timedelta(hours=2)
"""How long a process waits for another that is alive, such as for a slow validation."""


@dataclass(frozen=True)
class World:
    """This process among those of the job: number ``rank`` of ``size``, ``local_rank`` here."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def from_environment(cls) -> "World":
        """What `torchrun` says in RANK, WORLD_SIZE and LOCAL_RANK; one process without it."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        if not all(name in os.environ for name in names):
            return cls()
        return cls(*(int(os.environ[name]) for name in names))

    @property
    def writes(self) -> bool:
        """Whether this is the one process that writes files and prints."""
        return self.rank == 0

    def ddp(self, network: nn.Module) -> nn.Module:
        """``network`` wrapped so that ``backward`` averages gradients over the processes."""
        if self.size == 1:
            return network
        # Gradients of channels-last weights are copied, which torch says once for each process.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        device = next(network.parameters()).device
        indices = [device] if device.type == "cuda" else None
        # A motion stream has nothing to do for single frames, and no gradients.
        idle = getattr(network, "motion", None) is not None
        return DistributedDataParallel(network, device_ids=indices, find_unused_parameters=idle)

    def no_sync(self, network: nn.Module) -> AbstractContextManager[None]:
        """Within it, ``backward`` only adds up gradients: more parts of the batch are to come."""
        return network.no_sync() if isinstance(network, DistributedDataParallel) else nullcontext()

    def mean(self, value: float) -> float:
        """The mean of ``value`` over the processes."""
        if self.size == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(total)
        return total.item() / self.size

    def gather(self, item: T) -> list[T]:
        """``item`` of every process, by rank."""
        if self.size == 1:
            return [item]
        items: list[T | None] = [None] * self.size
        dist.all_gather_object(items, item)
        return items  # type: ignore[return-value]

    def agree(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite ``tensors`` with those of rank 0."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)


@contextmanager
def joined(world: World, device: torch.device) -> Iterator[None]:
    """Within it, the processes of ``world`` talk to each other.

    Raises `InputError` where another process is gone.
    """
    if world.size == 1:
        yield
        return
    backend = "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    try:
        dist.init_process_group(backend, rank=world.rank, world_size=world.size, timeout=PATIENCE)
        yield
        dist.destroy_process_group()
    except RuntimeError as error:
        if not _lost_another(error):
            raise
        raise InputError(
            f"rank {world.rank} of {world.size}: another process of the job has ended",
            "see why there, then start the same command again, which goes on from the last "
            "checkpoint",
        ) from error
    finally:
        # After an error: gloo's threads, left alone, abort the process as it ends. (NCCL would wait
        # for processes that are gone.)
        if backend == "gloo" and dist.is_initialized():
            dist.destroy_process_group()


def _lost_another(error: RuntimeError) -> bool:
    # Gloo has no exception of its own.
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()
