import pickle
from dataclasses import replace
from pathlib import Path

from made_videos import gray_frames, write_video
from PIL import Image

from threedcseg.cli.progress import no_progress
from threedcseg.inference.settings import Settings
from threedcseg.outputs.record import Provenance, RunRecord
from threedcseg.outputs.rendering import Rendering
from threedcseg.segmentation.batch import VideoOutcome, do_once
from threedcseg.segmentation.task import Task
from threedcseg.segmentation.video import VideoResult


def brightness(clip):
    return clip[:, :1] * 20 - 10


def load():
    return brightness, Provenance(model="brightness", weights_sha256="12")


def settings(network):
    return Settings(short_edge=32)


TASK = Task(load, settings, ("masks", "boxes"), Rendering("soft"), no_progress)


def kinds(task: Task, video: Path, folder: Path) -> list[str]:
    return [do_once(video, folder, task.start()).kind for _ in range(2)]


def test_a_task_sent_elsewhere_does_what_its_terms_say(tmp_path: Path) -> None:
    video, folder = write_video(tmp_path / "in.mp4", gray_frames(3)), tmp_path / "out"
    worker = pickle.loads(pickle.dumps(TASK)).start()
    outcome = do_once(video, folder, worker)
    record = RunRecord.read(folder)
    assert record is not None and record.source == str(video)
    assert outcome == VideoOutcome("done", video, folder, VideoResult.of(folder, record))
    assert outcome.result is not None and outcome.result.num_frames == 3
    assert record.provenance.model == "brightness" and record.settings["short_edge"] == 32
    assert (folder / "boxes.csv").exists()


def test_what_is_there_is_added_to(tmp_path: Path) -> None:
    video, folder = write_video(tmp_path / "in.mp4", gray_frames(3)), tmp_path / "out"
    masks, matte = replace(TASK, write=("masks",)), replace(TASK, write=("matte",))
    assert kinds(masks, video, folder) == ["done", "before"]
    made = {path: path.stat().st_mtime_ns for path in folder.glob("*.png")}
    assert kinds(matte, video, folder) == ["done", "before"]
    assert kinds(replace(TASK, write=("matte", "masks")), video, folder) == ["before", "before"]
    assert len(made) == 3 and (folder / "matte.mp4").exists()
    assert made == {path: path.stat().st_mtime_ns for path in folder.glob("*.png")}
    assert kinds(replace(masks, redo=True), video, folder) == ["done", "done"]
    assert all(time < path.stat().st_mtime_ns for path, time in made.items())
    assert (folder / "matte.mp4").exists()


def test_a_source_is_known_by_its_place_or_by_what_it_holds(tmp_path: Path, monkeypatch) -> None:
    for name, count in (("x", 3), ("y", 4)):
        (tmp_path / name).mkdir()
        write_video(tmp_path / name / "clip.mp4", gray_frames(count))
    out = tmp_path / "out"
    monkeypatch.chdir(tmp_path / "x")
    assert kinds(TASK, Path("clip.mp4"), out) == ["done", "before"]
    assert kinds(TASK, tmp_path / "x" / "clip.mp4", out) == ["before", "before"]
    monkeypatch.chdir(tmp_path / "y")
    refused = do_once(Path("clip.mp4"), out, TASK.start())
    assert refused.kind == "failed" and f"holds results of {tmp_path}/x/clip.mp4" in refused.reason
    assert RunRecord.read(out).num_frames == 3
    (tmp_path / "x" / "clip.mp4").rename(tmp_path / "moved.mp4")
    assert kinds(TASK, tmp_path / "moved.mp4", out) == ["before", "before"]
    write_video(tmp_path / "x" / "clip.mp4", gray_frames(5))  # exported anew
    assert kinds(TASK, tmp_path / "x" / "clip.mp4", out) == ["done", "before"]
    assert RunRecord.read(out).num_frames == 5
    assert kinds(replace(TASK, redo=True), Path("clip.mp4"), out) == ["done", "done"]
    assert RunRecord.read(out).num_frames == 4


def test_frames_of_a_folder_are_looked_into(tmp_path: Path) -> None:
    frames, out = tmp_path / "walk", tmp_path / "out"
    frames.mkdir()
    for name, image in zip("ab", gray_frames(2), strict=True):
        Image.fromarray(image).save(frames / f"{name}.bmp")
    assert kinds(TASK, frames, out) == ["done", "before"]
    Image.fromarray(gray_frames(2)[0] // 2).save(frames / "b.bmp")  # as many bytes
    assert kinds(TASK, frames, out) == ["done", "before"]


def test_one_file(tmp_path: Path) -> None:
    video, file = write_video(tmp_path / "in.mp4", gray_frames(3)), tmp_path / "to" / "cut.mp4"
    worker = replace(TASK, write=("cutout",)).start()
    outcome = do_once(video, file, worker.to_file)
    assert (outcome.kind, outcome.folder) == ("done", file)
    assert outcome.result is not None and outcome.result.num_frames == 3
    assert [path.name for path in file.parent.iterdir()] == ["cut.mp4"]
    video.write_bytes(video.read_bytes()[:600])
    assert do_once(video, tmp_path / "to" / "new.mp4", worker.to_file).kind == "failed"
    assert [path.name for path in file.parent.iterdir()] == ["cut.mp4"]
