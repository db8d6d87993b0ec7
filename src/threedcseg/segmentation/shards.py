"""Which part of a list of videos falls to this process, of many that share the work."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from threedcseg.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Part ``index`` (0-based) of ``count``: together they have every item once."""

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """``"2/8"``, counted from 1; raises `InputError` for anything else."""
        numbers = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        if numbers is None or not 1 <= int(numbers[1]) <= int(numbers[2]):
            raise InputError(f"shard {text!r}", "give I/N with I from 1 to N, such as 2/8")
        return cls(int(numbers[1]) - 1, int(numbers[2]))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Shard":
        """What `torchrun` or SLURM says of this process; the whole list where neither does.

        The tasks of a SLURM array share the list, and within each of them the processes that
        `torchrun`, else `srun`, started. A batch script by itself, without `srun`, is one process
        however many tasks its job may start.
        """
        array = _numbers(environment, "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")
        outer, outers = array or (0, 1)
        if array is not None:
            first = int(environment.get("SLURM_ARRAY_TASK_MIN", 0))
            outer = (outer - first) // int(environment.get("SLURM_ARRAY_TASK_STEP", 1))
        torchrun = _numbers(environment, "RANK", "WORLD_SIZE")
        srun = _numbers(environment, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS")
        inner, inners = torchrun or srun or (0, 1)
        shard = cls(outer * inners + inner, outers * inners)
        if not 0 <= shard.index < shard.count:
            raise InputError(
                f"shard {shard.index + 1} of {shard.count}, by what torchrun or SLURM says of this "
                "process",
                "give --shard I/N yourself",
            )
        return shard

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """This part of ``items``, in order: every ``count``-th, so that neighbours are spread."""
        return items[self.index :: self.count]

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.count}"


def own_device(device: str, environment: Mapping[str, str], num_gpus: int) -> str:
    """``device`` for this process where several share a machine: a GPU each, as far as they go."""
    local = environment.get("LOCAL_RANK", environment.get("SLURM_LOCALID"))
    if device not in ("auto", "cuda") or num_gpus < 2 or local is None:
        return device
    return f"cuda:{int(local) % num_gpus}"


def _numbers(environment: Mapping[str, str], *names: str) -> tuple[int, int] | None:
    values = [environment.get(name, "") for name in names]
    if not all(value.isdecimal() for value in values):
        return None
    first, second = map(int, values)
    return first, second
