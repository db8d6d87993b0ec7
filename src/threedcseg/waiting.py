"""How threads wait for each other: asleep, where other programs want the cores.

The threads of an operation meet at its end. GNU OpenMP lets who comes first spin for 300,000 turns,
on the very core that the last one may be waiting for: beside a busy program a video takes twice as
long, beside one of low priority more than ten times (docs/performance.md).
"""

import os

SPINS = "1000"  # what libgomp itself takes where it knows of more threads than cores


def wait_asleep() -> None:
    """Let PyTorch's threads sleep soon, unless the environment says how they should wait.

    For the start of a process, before torch is imported; its child processes inherit it. Costs
    nothing where the cores are free. Does nothing to other OpenMP libraries than GNU's.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
