"""Many videos over a Ray cluster: an actor a device, each of which loads the network once.

Ray is the extra ``[ray]``. The actors do what one process does for a video of its list
(`batch.do_once`), so that results are the same, what is finished is skipped, and a video whose
worker died is begun anew by the next one.
"""

import json
import logging
import os
import re
import socket
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter

from threedcseg.allocation import keep_freed_memory
from threedcseg.errors import InputError
from threedcseg.extras import package
from threedcseg.segmentation.batch import VideoOutcome, do_once, failure
from threedcseg.segmentation.task import Task, Worker
from threedcseg.segmentation.video import VideoResult

HERE = "here"
"""The address that means a cluster of this machine alone, started now and ended with the run."""

_RESULT = TypeAdapter(VideoResult)  # travels as JSON, without its folder

TRIES = 3
"""How often a video is begun if its worker dies each time: it may be the video that kills them."""


@dataclass(frozen=True)
class Workers:
    """``count`` actors, each with ``cpus`` cores and ``gpus`` (0 or 1) GPUs of the cluster."""

    count: int
    cpus: int
    gpus: int

    @classmethod
    def on(cls, machines: Sequence[dict[str, float]], device: str, count: int | None) -> "Workers":
        """One for each GPU of ``machines`` (what Ray says they have), else one for each machine.

        ``count`` overrules their number; the cores are shared by as many as fall to one machine.
        Raises `InputError` for a ``device`` that the cluster does not have.
        """
        gpus = [int(machine.get("GPU", 0)) for machine in machines]
        if device.startswith("cuda:"):
            raise InputError(
                f"--device {device} with --ray, which assigns GPUs itself", "give cuda"
            )
        if device == "cuda" and not any(gpus):
            raise InputError("--device cuda: no machine of the Ray cluster has a GPU", "give cpu")
        on_gpu = any(gpus) and device in ("auto", "cuda")
        if on_gpu:
            machines = [machine for machine, number in zip(machines, gpus, strict=True) if number]
        count = count or (sum(gpus) if on_gpu else len(machines))
        a_machine = max(gpus) if on_gpu else -(-count // len(machines))
        cores = min(int(machine["CPU"]) for machine in machines)
        return cls(count, max(1, cores // a_machine), int(on_gpu))

    def __str__(self) -> str:
        each = f"{self.cpus} CPU core{'s' if self.cpus > 1 else ''}"
        each = f"a GPU and {each}" if self.gpus else each
        return f"{self.count} worker{'s' if self.count > 1 else ''} with {each} each"


@contextmanager
def connected(address: str, count: int | None) -> Iterator[list[dict[str, float]]]:
    """The machines of the Ray cluster at ``address``, or of a new one `HERE`, to be used meanwhile.

    Each is a mapping of resources, such as ``{"CPU": 8.0, "GPU": 1.0}``. What Ray prints is thrown
    away: until the block ends, ``sys.stdout`` is not the terminal's. Raises `InputError` where Ray
    is not installed or nothing answers.
    """
    ray = _import_ray()
    start: dict[str, Any] = {"address": address}
    if address == HERE:
        cores = max(os.cpu_count() or 1, count or 1)
        start = {"address": "local", "include_dashboard": False, "num_cpus": cores}
        start["object_store_memory"] = 80_000_000  # bytes; only names and outcomes travel
    try:
        if found := re.fullmatch(r"([\w.-]+):(\d+)", address):  # Ray itself tries for minutes
            socket.create_connection((found[1], int(found[2])), timeout=10).close()
        with _silent_stderr():
            ray.init(logging_level=logging.CRITICAL, log_to_driver=False, **start)
    except (OSError, OverflowError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"Ray cluster {address!r}: {reason}") from None
    try:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            yield [machine for machine in machines if machine.get("CPU", 0) >= 1]
    finally:
        ray.shutdown()


def over_cluster(
    jobs: Sequence[tuple[Path, Path]], task: Task, workers: Workers
) -> Iterator[VideoOutcome]:
    """`do_once` for each (video, folder) of ``jobs`` on the connected cluster, as they finish.

    Workers run in the folder that this process is in, so that relative paths mean the same. Each
    job has one outcome: where `TRIES` do not suffice it has failed. Raises what a worker raises
    if the fault is not the video's: `InputError` where it cannot load the network, `OSError` where
    it cannot write.
    """
    ray, data = _import_ray(), _import_ray("ray.data")
    context = data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = -1  # videos of lost machines: begun again below
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    waiting = dict(enumerate(jobs))
    starts = ray.remote(num_cpus=0, max_restarts=-1)(_Starts).remote()
    for _ in range(TRIES):  # Ray gives up what waited for a machine that is lost
        rows = [{"job": job, "video": str(v), "folder": str(f)} for job, (v, f) in waiting.items()]
        if not rows:
            return
        outcomes = data.from_items(rows, override_num_blocks=len(rows)).map(
            _Actor,
            fn_constructor_args=(task, os.getcwd(), starts),
            compute=data.ActorPoolStrategy(size=workers.count, max_tasks_in_flight_per_actor=1),
            num_cpus=workers.cpus,
            num_gpus=workers.gpus,
        )
        ended = iter(outcomes.iter_rows())
        for row in ended:
            if row["kind"] in ("InputError", "OSError"):
                starts.stop.remote()
                deque(ended, maxlen=0)  # Ray may end a process that leaves them before their end
                if row["kind"] == "InputError":
                    raise InputError(row["reason"], row["remedy"])
                raise OSError(row["reason"])
            video, folder = waiting.pop(row["job"])
            found = json.loads(row["result"])
            result = found and _RESULT.validate_python({"folder": folder, **found})
            yield VideoOutcome(row["kind"], video, folder, result, row["reason"])
    for video, folder in waiting.values():
        yield failure(video, folder, "its worker died and could not be started again")


class _Starts:
    """How often each job has been begun: beyond the life of a worker; and whether to go on."""

    def __init__(self) -> None:
        self._count: Counter[int] = Counter()
        self._stopped = False

    def one_more(self, job: int) -> int | None:
        """None where the run has a fault that ends it."""
        self._count[job] += 1
        return None if self._stopped else self._count[job]

    def stop(self) -> None:
        self._stopped = True


class _Actor:
    """Stays in one process with the network, and is given one video after the other."""

    def __init__(self, task: Task, cwd: str, starts: Any) -> None:
        self._task = task
        self._cwd = cwd
        self._starts = starts
        self._worker: Worker | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            done = self._outcome(row["job"], Path(row["video"]), Path(row["folder"]))
            outcome = {"kind": done.kind, "reason": done.reason}
            if done.result is not None:
                outcome["result"] = _RESULT.dump_json(done.result, exclude={"folder"}).decode()
        except InputError as error:
            outcome = {"kind": "InputError", "reason": error.what, "remedy": error.remedy}
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            outcome = {"kind": "OSError", "reason": f"{where}{error.strerror or error}"}
        return {"job": row["job"], "remedy": "", "result": "null", **outcome}

    def _outcome(self, job: int, video: Path, folder: Path) -> VideoOutcome:
        begun = _import_ray().get(self._starts.one_more.remote(job))
        if begun is None:
            return failure(video, folder, "not begun")
        if begun > TRIES:
            return failure(video, folder, f"its worker died each time, {TRIES} times")
        if self._worker is None:
            keep_freed_memory()
            os.chdir(self._cwd)
            self._worker = self._task.start()
        return do_once(video, folder, self._worker)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Of Ray's libraries, which write to the descriptor; what Python raises is not lost."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _import_ray(name: str = "ray") -> ModuleType:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # phones nobody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else it writes to our terminal
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences a warning
    return package(name, "ray", "--ray")
