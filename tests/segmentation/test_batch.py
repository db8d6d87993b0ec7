import multiprocessing
import threading
from pathlib import Path

import pytest

from threedcseg.errors import InputError
from threedcseg.outputs.record import start_run, write_record
from threedcseg.segmentation.batch import Outcome, Tally, do_once, read_manifest

MADE_BY = {"settings": {"size": [1, 2]}, "weights_sha256": "abc", "products": ["masks"]}


class Worker:
    """Finishes a folder as `segment_video` does, and notes what it worked on."""

    def __init__(self) -> None:
        self.worked: list[str] = []
        self.broken: set[str] = set()

    def __call__(self, video: Path, folder: Path) -> str:
        self.worked.append(video.name)
        start_run(folder)
        if video.name in self.broken:
            raise InputError(f"{video} is broken")
        write_record(folder, {"source": str(video), "num_frames": 3, **MADE_BY})
        return f"3 frames of {video}"


def do_all(jobs, work, made_by, tell=lambda outcome: None) -> Tally:
    return Tally.of((do_once(*job, work, made_by) for job in jobs), tell)


@pytest.fixture
def jobs(tmp_path):
    return [(Path(f"{name}.mp4"), tmp_path / name) for name in "abc"]


def test_what_is_done_is_not_done_again(jobs):
    worker = Worker()
    assert do_all(jobs, worker, MADE_BY) == Tally(done=3)
    assert do_all(jobs, worker, MADE_BY) == Tally(before=3)
    assert worker.worked == ["a.mp4", "b.mp4", "c.mp4"]
    folders = {folder for _, folder in jobs}
    assert set(jobs[0][1].parent.iterdir()) == folders  # no claims stay behind


def test_what_was_broken_off_or_made_otherwise_is_done_again(jobs, tmp_path):
    worker = Worker()
    do_all(jobs, worker, MADE_BY)
    (tmp_path / "a" / "3dcseg.json").unlink()
    write_record(tmp_path / "b", {"source": "other.mp4", **MADE_BY})
    worker.worked.clear()
    assert do_all(jobs, worker, MADE_BY) == Tally(done=2, before=1)
    assert worker.worked == ["a.mp4", "b.mp4"]
    for change in ({"settings": {"size": [1, 3]}}, {"products": ["masks", "overlay"]}):
        worker.worked.clear()
        do_all(jobs, worker, MADE_BY | change)
        assert worker.worked == ["a.mp4", "b.mp4", "c.mp4"]


def test_one_broken_video_does_not_stop_the_others(jobs):
    worker = Worker()
    worker.broken = {"b.mp4"}
    told: list[Outcome] = []
    assert do_all(jobs, worker, MADE_BY, told.append) == Tally(done=2, failed=1)
    assert told == [
        Outcome("done", "3 frames of a.mp4"),
        Outcome("failed", "error: b.mp4: b.mp4 is broken"),
        Outcome("done", "3 frames of c.mp4"),
    ]
    worker.broken.clear()
    assert do_all(jobs, worker, MADE_BY) == Tally(done=1, before=2)


def test_other_faults_are_not_swallowed(jobs):
    def work(video, folder):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        do_all(jobs, work, MADE_BY)
    assert do_all(jobs, Worker(), MADE_BY) == Tally(done=3)  # the claim is gone


def test_two_at_once_do_nothing_twice(jobs):
    worker = Worker()
    started, go_on = threading.Event(), threading.Event()

    def slow(video, folder):
        started.set()
        assert go_on.wait(10)
        return worker(video, folder)

    tallies: list[Tally] = []
    first = threading.Thread(target=lambda: tallies.append(do_all(jobs[:1], slow, MADE_BY)))
    first.start()
    assert started.wait(10)
    assert do_all(jobs, worker, MADE_BY) == Tally(done=2, elsewhere=1)
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

    process = context.Process(target=do_all, args=(jobs[:1], hang, MADE_BY))
    process.start()
    assert started.wait(10)
    assert do_all(jobs[:1], Worker(), MADE_BY) == Tally(elsewhere=1)
    process.kill()
    process.join()
    assert do_all(jobs[:1], Worker(), MADE_BY) == Tally(done=1)


def test_a_list_names_videos_and_folders_once(tmp_path):
    (tmp_path / "in" / "frames").mkdir(parents=True)
    (tmp_path / "in" / "frames" / "0.png").touch()
    (tmp_path / "in" / "b.mp4").touch()
    manifest = tmp_path / "list.txt"
    manifest.write_text("# what to do\n\nin/b.mp4\n  in/frames\nin/../in/b.mp4\n")
    assert read_manifest(manifest) == [tmp_path / "in" / "b.mp4", tmp_path / "in" / "frames"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none.mp4\n", r"list\.txt, line 1: .*none\.mp4 does not exist"),
        ("\nlist.txt\nempty\n", r"list\.txt, line 3: .*empty holds no video"),
        ("# nothing\n", r"list\.txt: the list is empty"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path / "list.txt")


def test_no_list_and_no_text(tmp_path):
    with pytest.raises(InputError, match="no such list"):
        read_manifest(tmp_path / "list.txt")
    with pytest.raises(InputError, match="not a text file"):
        read_manifest(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(b"\xff\xfe\x80" * 10)
    with pytest.raises(InputError, match="not a text file"):
        read_manifest(tmp_path / "clip.mp4")
