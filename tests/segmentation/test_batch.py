import multiprocessing
import threading
from pathlib import Path

import pytest
from made_records import finish, record_of

from threedcseg.errors import InputError
from threedcseg.outputs.record import Provenance, RunTerms
from threedcseg.outputs.result_folder import begin_run, finish_run
from threedcseg.segmentation.batch import Tally, VideoOutcome, do_once

TERMS = RunTerms(
    outputs={"masks": ("*.png",)},
    settings={"size": [1, 2]},
    provenance=Provenance(weights_sha256="abc"),
)


class Worker:
    """Finishes a folder as `segment_video` does, and notes what it worked on."""

    def __init__(self) -> None:
        self.worked: list[str] = []
        self.broken: set[str] = set()

    def __call__(self, video: Path, folder: Path) -> str:
        self.worked.append(video.name)
        record = record_of(source=str(video), **dict(TERMS))
        begin_run(folder, record)
        if video.name in self.broken:
            raise InputError(f"{video} is broken")
        finish_run(folder, record)
        return f"3 frames of {video}"


def do_all(jobs, work, terms, tell=lambda outcome: None) -> Tally:
    return Tally.of((do_once(*job, work, terms) for job in jobs), tell)


@pytest.fixture
def jobs(tmp_path):
    return [(Path(f"{name}.mp4"), tmp_path / name) for name in "abc"]


def test_what_is_done_is_not_done_again(jobs):
    worker = Worker()
    assert do_all(jobs, worker, TERMS) == Tally(done=3)
    assert do_all(jobs, worker, TERMS) == Tally(before=3)
    assert worker.worked == ["a.mp4", "b.mp4", "c.mp4"]
    folders = {folder for _, folder in jobs}
    assert set(jobs[0][1].parent.iterdir()) == folders  # no claims stay behind


def test_what_was_broken_off_or_made_otherwise_is_done_again(jobs, tmp_path):
    worker = Worker()
    do_all(jobs, worker, TERMS)
    (tmp_path / "a" / "3dcseg.json").unlink()
    finish(tmp_path / "b", source="other.mp4", **dict(TERMS))
    worker.worked.clear()
    assert do_all(jobs, worker, TERMS) == Tally(done=2, before=1)
    assert worker.worked == ["a.mp4", "b.mp4"]
    both = {"masks": ("*.png",), "overlay": ("overlay.mp4",)}
    for change in ({"settings": {"size": [1, 3]}}, {"outputs": both}):
        worker.worked.clear()
        do_all(jobs, worker, TERMS.model_copy(update=change))
        assert worker.worked == ["a.mp4", "b.mp4", "c.mp4"]


def test_one_broken_video_does_not_stop_the_others(jobs):
    worker = Worker()
    worker.broken = {"b.mp4"}
    told: list[VideoOutcome] = []
    assert do_all(jobs, worker, TERMS, told.append) == Tally(done=2, failed=1)
    assert told == [
        VideoOutcome("done", "3 frames of a.mp4"),
        VideoOutcome("failed", "error: b.mp4: b.mp4 is broken"),
        VideoOutcome("done", "3 frames of c.mp4"),
    ]
    worker.broken.clear()
    assert do_all(jobs, worker, TERMS) == Tally(done=1, before=2)


def test_other_faults_are_not_swallowed(jobs):
    def work(video, folder):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        do_all(jobs, work, TERMS)
    assert do_all(jobs, Worker(), TERMS) == Tally(done=3)  # the claim is gone


def test_two_at_once_do_nothing_twice(jobs):
    worker = Worker()
    started, go_on = threading.Event(), threading.Event()

    def slow(video, folder):
        started.set()
        assert go_on.wait(10)
        return worker(video, folder)

    tallies: list[Tally] = []
    first = threading.Thread(target=lambda: tallies.append(do_all(jobs[:1], slow, TERMS)))
    first.start()
    assert started.wait(10)
    assert do_all(jobs, worker, TERMS) == Tally(done=2, elsewhere=1)
    go_on.set()
    first.join()
    assert tallies == [Tally(done=1)]
    assert sorted(worker.worked) == ["a.mp4", "b.mp4", "c.mp4"]


def test_the_claim_of_a_killed_process_is_void(jobs):
    context = multiprocessing.get_context("fork")
    started = context.Event()

    def hang(video, folder):
        started.set()
        threading.Event().wait()

    process = context.Process(target=do_all, args=(jobs[:1], hang, TERMS))
    process.start()
    assert started.wait(10)
    assert do_all(jobs[:1], Worker(), TERMS) == Tally(elsewhere=1)
    process.kill()
    process.join()
    assert do_all(jobs[:1], Worker(), TERMS) == Tally(done=1)
