import multiprocessing
import threading
from pathlib import Path

import pytest
from made_records import record_of

from threedcseg.errors import InputError
from threedcseg.outputs.record import RunRecord
from threedcseg.outputs.result_folder import begin_run, claimed_folder, finish_run
from threedcseg.segmentation.batch import Tally, VideoOutcome, do_once
from threedcseg.segmentation.video import VideoResult


class Worker:
    """Finishes a folder as `segment_video` does, and notes what it worked on."""

    def __init__(self) -> None:
        self.worked: list[str] = []
        self.broken: dict[str, Exception] = {}

    def __call__(self, video: Path, folder: Path) -> VideoResult:
        with claimed_folder(folder):
            if RunRecord.read(folder) is not None:
                return VideoResult(folder, 3, done_before=True)
            self.worked.append(video.name)
            record = record_of(source=str(video))
            begin_run(folder, record)
            if video.name in self.broken:
                raise self.broken[video.name]
            finish_run(folder, record)
            return VideoResult(folder, 3)


def do_all(jobs, work, tell=lambda outcome: None) -> Tally:
    return Tally.of((do_once(*job, work) for job in jobs), tell)


@pytest.fixture
def jobs(tmp_path):
    return [(Path(f"{name}.mp4"), tmp_path / name) for name in "abc"]


def test_what_is_done_is_not_done_again(jobs):
    worker = Worker()
    assert do_all(jobs, worker) == Tally(done=3)
    assert do_all(jobs, worker) == Tally(before=3)
    assert worker.worked == ["a.mp4", "b.mp4", "c.mp4"]
    folders = {folder for _, folder in jobs}
    assert set(jobs[0][1].parent.iterdir()) == folders  # no claims stay behind


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("b.mp4 is broken", "mend it"), "b.mp4 is broken: mend it"),
        (InputError("no frames"), "b.mp4: no frames"),
        (RuntimeError("out of\nmemory"), "b.mp4: RuntimeError: out of memory"),
    ],
)
def test_one_broken_video_does_not_stop_the_others(jobs, error, line):
    worker = Worker()
    worker.broken = {"b.mp4": error}
    told: list[VideoOutcome] = []
    tally = do_all(jobs, worker, told.append)
    assert [outcome.kind for outcome in told] == ["done", "failed", "done"]
    assert str(told[0]) == f"3 frames of a.mp4 -> {jobs[0][1]}"
    assert str(told[1]) == line and tally.failed == [told[1]]
    assert str(tally) == f"2 done, 0 done before, 1 failed\n  failed: {line}"
    worker.broken.clear()
    assert do_all(jobs, worker) == Tally(done=1, before=2)


def test_faults_that_no_video_escapes_are_raised(jobs):
    worker = Worker()
    worker.broken = {"a.mp4": OSError(28, "No space left on device")}
    with pytest.raises(OSError, match="No space"):
        do_all(jobs, worker)
    assert do_all(jobs, Worker()) == Tally(done=3)  # the claim is gone


def test_two_at_once_do_nothing_twice(jobs):
    worker = Worker()
    started, go_on = threading.Event(), threading.Event()

    def slow(video, folder):
        with claimed_folder(folder):
            started.set()
            assert go_on.wait(10)
        return worker(video, folder)

    tallies: list[Tally] = []
    first = threading.Thread(target=lambda: tallies.append(do_all(jobs[:1], slow)))
    first.start()
    assert started.wait(10)
    assert do_all(jobs, worker) == Tally(done=2, elsewhere=1)
    go_on.set()
    first.join()
    assert tallies == [Tally(done=1)]
    assert sorted(worker.worked) == ["a.mp4", "b.mp4", "c.mp4"]


def test_the_claim_of_a_killed_process_is_void(jobs):
    context = multiprocessing.get_context("fork")
    started = context.Event()

    def hang(video, folder):
        with claimed_folder(folder):
            started.set()
            threading.Event().wait()

    process = context.Process(target=do_all, args=(jobs[:1], hang))
    process.start()
    assert started.wait(10)
    assert do_all(jobs[:1], Worker()) == Tally(elsewhere=1)
    process.kill()
    process.join()
    assert do_all(jobs[:1], Worker()) == Tally(done=1)
