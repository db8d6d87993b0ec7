import pickle
from dataclasses import replace
from pathlib import Path

from made_videos import gray_frames, write_video

from threedcseg.cli.progress import frame_progress
from threedcseg.inference.settings import Settings
from threedcseg.outputs.record import Provenance, RunRecord
from threedcseg.outputs.rendering import Rendering
from threedcseg.segmentation.batch import VideoOutcome, do_once
from threedcseg.segmentation.task import Task


def brightness(clip):
    return clip[:, :1] * 20 - 10


def load():
    return brightness, Provenance(model="brightness")


def settings(network):
    return Settings(short_edge=32)


TASK = Task(load, settings, ("masks", "boxes"), Rendering("soft"), frame_progress)


def test_a_task_sent_elsewhere_does_what_its_terms_say(tmp_path: Path) -> None:
    video, folder = write_video(tmp_path / "in.mp4", gray_frames(3)), tmp_path / "out"
    worker = pickle.loads(pickle.dumps(TASK)).start()
    outcome = do_once(video, folder, worker, worker.terms)
    assert outcome == VideoOutcome("done", f"3 frames of {video} -> {folder}")
    record = RunRecord.read(folder)
    assert record is not None and record.fulfils(str(video), TASK.start().terms)
    assert record.provenance.model == "brightness" and record.settings["short_edge"] == 32
    assert (folder / "boxes.csv").exists()


def test_other_outputs_are_other_terms(tmp_path: Path) -> None:
    video, folder = write_video(tmp_path / "in.mp4", gray_frames(3)), tmp_path / "out"
    for write in (("masks",), ("masks", "matte")):
        worker = replace(TASK, write=write).start()
        assert do_once(video, folder, worker, worker.terms).kind == "done"
        assert do_once(video, folder, worker, worker.terms).kind == "before"
    assert (folder / "matte.mp4").exists() and not (folder / "boxes.csv").exists()
