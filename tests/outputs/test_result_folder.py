"""An interrupted run must not look finished, and clearing takes what the earlier run wrote only."""

from pathlib import Path

import pytest
from made_records import LIVE, finish, record_of

from threedcseg.atomic import PART_SUFFIX
from threedcseg.errors import InputError
from threedcseg.outputs.record import RECORD_NAME, RunRecord
from threedcseg.outputs.result_folder import UNFINISHED_NAME, begin_run, finish_run

NUMBERED = {"masks": ("*.png",), "palette": ("palette/*.png",), "overlay": ("overlay.mp4",)}


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def left(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in files} - {RECORD_NAME, UNFINISHED_NAME}


@pytest.mark.parametrize("finished", [False, True])
def test_what_the_earlier_run_wrote_is_cleared_and_nothing_else(
    tmp_path: Path, finished: bool
) -> None:
    record = record_of(outputs=NUMBERED)
    begin_run(tmp_path, record.model_copy(update={"num_frames": 0}))
    touch(tmp_path, "00000.png", "00002.png", "palette/00001.png", "overlay.mp4")
    mine = {"corrected/00000.png", "notes.png", "0001.png", "cutout.mp4", "palette/my.png"}
    touch(tmp_path, *mine, f".half{PART_SUFFIX}", f"palette/.half{PART_SUFFIX}")
    if finished:
        finish_run(tmp_path, record)
        mine.add("00003.png")  # the run had three frames
        touch(tmp_path, "00003.png")
    begin_run(tmp_path, record_of())
    assert left(tmp_path) == mine
    assert RunRecord.read(tmp_path) is None and (tmp_path / UNFINISHED_NAME).exists()


def test_names_of_frames_that_a_folder_gave(tmp_path: Path) -> None:
    begin_run(tmp_path, record_of(frame_names=("f8", "f10")))
    touch(tmp_path, "f8.png", "f9.png", "f10.png", "00000.png", ".hidden")
    begin_run(tmp_path, record_of(outputs={"overlay": ["overlay.mp4"]}))
    assert left(tmp_path) == {"f9.png", "00000.png", ".hidden"}


def test_masks_of_live_sources_may_leave_numbers_out(tmp_path: Path) -> None:
    finish(tmp_path, num_frames=3, live=LIVE)
    touch(tmp_path, "0000000.png", "0000017.png")
    begin_run(tmp_path, record_of())
    assert left(tmp_path) == set()


def test_nothing_is_removed_through_a_link(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    touch(elsewhere, "00000.png", "mask.png")
    finish(out, outputs=NUMBERED)
    (out / "palette").symlink_to(elsewhere)
    (out / "00001.png").symlink_to(elsewhere / "mask.png")
    begin_run(out, record_of())
    assert left(elsewhere) == {"00000.png", "mask.png"}
    assert [path.name for path in out.iterdir() if not path.name.startswith(".")] == ["palette"]


def test_folders_of_images_go_when_they_are_empty(tmp_path: Path) -> None:
    finish(tmp_path, outputs=NUMBERED)
    touch(tmp_path, "palette/00000.png")
    (tmp_path / "00001.png").mkdir()  # not a file of ours
    begin_run(tmp_path, record_of())
    assert {path.name for path in tmp_path.iterdir()} == {"00001.png", UNFINISHED_NAME}


def test_killed_while_clearing_the_next_run_goes_on(tmp_path: Path, monkeypatch) -> None:
    finish(tmp_path, outputs=NUMBERED)
    names = ["00000.png", "00001.png", "palette/00000.png", "overlay.mp4"]
    touch(tmp_path, *names)
    unlink, removed = Path.unlink, []

    def killed(path: Path, missing_ok: bool = False) -> None:
        if len(removed) == 2:
            raise KeyboardInterrupt
        removed.append(path)
        unlink(path, missing_ok)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", killed)
        begin_run(tmp_path, record_of())
    assert 0 < len(left(tmp_path)) < len(names) and RunRecord.read(tmp_path) is None
    begin_run(tmp_path, record_of())
    assert left(tmp_path) == set()


def test_a_full_disk_leaves_the_marker_whole(tmp_path: Path, monkeypatch) -> None:
    record = record_of(outputs=NUMBERED)
    begin_run(tmp_path, record)
    touch(tmp_path, "overlay.mp4")

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(Path, "write_bytes", full)
        finish_run(tmp_path, record)
    begin_run(tmp_path, record_of())
    assert left(tmp_path) == set()


@pytest.mark.parametrize("text", [None, "{", '{"format": "3dcseg run 2"}'])
@pytest.mark.parametrize("name", [RECORD_NAME, UNFINISHED_NAME])
def test_a_folder_that_is_not_known_for_ours_is_refused(tmp_path: Path, name, text) -> None:
    (tmp_path / "holiday.png").write_bytes(b"mine")
    if text is not None:
        (tmp_path / name).write_text(text)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=r"already holds .*another output folder"):
        begin_run(tmp_path, record_of())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["overlay.mp4", "00003.png", "palette/00000.png"])
def test_a_file_of_somebody_else_is_not_replaced(tmp_path: Path, name: str) -> None:
    finish(tmp_path)
    touch(tmp_path, "00002.png", name)
    with pytest.raises(InputError, match=rf"already holds {name}.*another output folder"):
        begin_run(tmp_path, record_of(num_frames=0, outputs=NUMBERED))
    assert left(tmp_path) == {"00002.png", name} and RunRecord.read(tmp_path) is not None
