"""`3dcseg segment --manifest --ray` on a cluster of two machines, each a Ray node of one core.

The processes that are killed are those that hold a video's claim, so that they work on it.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_videos import write_video
from patience import PATIENCE

from threedcseg.cli.main import main
from threedcseg.outputs.record import RunRecord
from threedcseg.video.reader import open_video

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="finds workers by Linux's /proc"),
]

DOG = Path(__file__).parents[2] / "examples" / "dog.mp4"
LENGTHS = {"a": 8, "b": 60, "c": 10, "d": 9}


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """A list of five: the example's first frames, under four names, and one that is no video."""
    folder = tmp_path_factory.mktemp("videos")
    with open_video(DOG) as source:
        images = [frame.image for frame in source]
    for name, count in LENGTHS.items():
        write_video(folder / f"{name}.mp4", images[:count])
    (folder / "bad.mp4").write_bytes(b"no video")
    manifest = folder / "list.txt"
    manifest.write_text("a.mp4\nbad.mp4\nb.mp4\nc.mp4\nd.mp4\n")
    return manifest


def words(manifest: Path, out: Path) -> list[str]:
    words = ["segment", "--manifest", str(manifest), "-o", str(out), "--short-edge", "64"]
    return [*words, "--write", "masks,boxes", "--device", "cpu"]


@pytest.fixture(scope="module")
def local(videos) -> Path:
    """What one process makes of the list, with as many threads as a worker of the cluster has."""
    out = videos.parent / "local"
    command = [sys.executable, "-m", "threedcseg.cli.main", *words(videos, out)]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == 2
    return out


MACHINE = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}


@pytest.fixture(scope="module")
def started() -> Iterator[Any]:
    """A cluster of two machines for all tests: to start one takes seconds."""
    pytest.importorskip("ray", reason="needs Ray: pip install 'threedcseg[ray]'")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # as the tests themselves
        cluster = Cluster(initialize_head=True, head_node_args=MACHINE)
        cluster.second = cluster.add_node(**MACHINE)
        yield cluster
        cluster.shutdown()


@pytest.fixture
def cluster(started: Any) -> Any:
    """The cluster, whole again where a test has lost a machine."""
    if not started.second.any_processes_alive():
        started.second = started.add_node(**MACHINE)
    return started


def run(cluster: Any, manifest: Path, out: Path) -> tuple[int, list[str], list[str]]:
    """Exit status and lines of the command, as a user runs it."""
    command = [sys.executable, "-m", "threedcseg.cli.main", *words(manifest, out)]
    done = subprocess.run(
        [*command, "--ray", cluster.address], capture_output=True, text=True, timeout=PATIENCE
    )
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


def summary(errors: list[str]) -> tuple[int, ...]:
    """How many were done, done before, and failed, as the closing lines have it."""
    (found,) = filter(
        None, (re.fullmatch(r"ray: (\d) done, (\d) done before, (\d) failed", e) for e in errors)
    )
    return tuple(map(int, found.groups()))


def results(out: Path) -> dict[str, bytes]:
    files = (path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def without_b(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if not name.startswith("b/")}


def worker_on(folder: Path) -> int | None:
    """The process that holds the claim on ``folder`` now."""
    claim = str(folder.with_name(f".{folder.name}.claim"))
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(descriptor) == claim:
                return int(descriptor.parts[2])
        except OSError:  # ended meanwhile, or not ours
            continue
    return None


def once_begun(folder: Path, times: int, act: Callable[[int], None]) -> threading.Thread:
    """Call ``act(process)`` for the first processes that have written masks into ``folder``."""

    def watch() -> None:
        seen: set[int] = set()
        end = time.monotonic() + PATIENCE
        while len(seen) < times and time.monotonic() < end:
            time.sleep(0.02)
            process = worker_on(folder) if any(folder.glob("*.png")) else None
            if process is not None and process not in seen:
                seen.add(process)
                act(process)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_a_killed_worker_loses_and_doubles_nothing(cluster, videos, local, tmp_path):
    out = tmp_path / "out"
    killed: list[int] = []

    def kill(process: int) -> None:
        killed.append(process)
        os.kill(process, signal.SIGKILL)

    once_begun(out / "b", 1, kill)
    status, printed, errors = run(cluster, videos, out)
    assert len(killed) == 1
    assert status == 2
    assert results(out) == results(local)
    told = [re.search(r"/(\w+)\.mp4 -> ", line)[1] for line in printed]
    assert sorted(told) == sorted(LENGTHS)
    assert errors[0] == "ray: 5 videos, 2 workers with 1 CPU core each"
    assert errors[1].startswith(f"error: {videos.parent / 'bad.mp4'} cannot be opened")
    assert summary(errors[2:]) == (4, 0, 1)

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != "bad"}
    status, printed, errors = run(cluster, videos, out)
    assert (status, printed) == (2, [])
    assert summary(errors) == (0, 4, 1)
    now = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != "bad"}
    assert now == before


def test_a_lost_machine_loses_nothing(cluster, videos, local, tmp_path):
    out = tmp_path / "out"

    def lose_machine(process: int) -> None:
        cluster.remove_node(cluster.second, allow_graceful=False)

    once_begun(out / "b", 1, lose_machine)
    status, _, errors = run(cluster, videos, out)
    assert not cluster.second.any_processes_alive()
    # What was told by the machine may be lost with it; then the video is found to be done before.
    done, before, failed = summary(errors)
    assert done + before == 4 and failed == 1
    assert status == 2
    left = results(out)
    left.pop(".b.claim", None)  # void without its holder; removed by whom the video falls to
    assert left == results(local)


def test_a_video_that_kills_its_workers_is_given_up(cluster, videos, local, tmp_path):
    out = tmp_path / "out"
    once_begun(out / "b", 3, lambda process: os.kill(process, signal.SIGKILL))
    status, _, errors = run(cluster, videos, out)
    assert status == 2
    b = videos.parent / "b.mp4"
    assert f"error: {b}: its worker died each time, 3 times" in errors
    assert summary(errors) == (3, 0, 2)
    assert RunRecord.read(out / "b") is None
    (out / ".b.claim").unlink()  # without its holder it is void
    assert without_b(results(out)) == without_b(results(local))


@pytest.mark.parametrize(
    ("options", "needle"),
    [
        (["--ray", "127.0.0.1:1"], "Ray cluster '127.0.0.1:1': "),
        (["--ray", "--shard", "1/2"], "not both"),
        (["--ray", "--ray-workers", "0"], "--ray-workers 0"),
    ],
)
def test_what_cannot_be_done_is_one_line(videos, tmp_path, capsys, options, needle):
    pytest.importorskip("ray", reason="needs Ray: pip install 'threedcseg[ray]'")
    assert main([*words(videos, tmp_path), *options]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and needle in lines[0]


def test_a_network_that_cannot_be_loaded_is_one_line(cluster, videos, tmp_path):
    pytest.importorskip("ray")
    command = [sys.executable, "-m", "threedcseg.cli.main", *words(videos, tmp_path / "out")]
    command += ["--model", str(tmp_path / "none.safetensors"), "--ray", cluster.address]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"ray: .*\nerror: .*none\.safetensors.*\n", done.stderr)
