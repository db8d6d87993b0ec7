"""An interrupted run must not look finished."""

from pathlib import Path

import pytest

from threedcseg.atomic import replacing
from threedcseg.errors import InputError
from threedcseg.outputs.record import (
    RECORD_NAME,
    UNFINISHED_NAME,
    read_record,
    start_run,
    write_record,
)


def test_written_last_and_removed_by_the_next_run(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "dog"
    start_run(folder)
    assert read_record(folder) is None
    record = {"frames": 3, "input": "dög.mp4", "model": {"name": "compact"}}
    write_record(folder, record)
    assert read_record(folder) == record
    assert [file.name for file in folder.iterdir()] == [RECORD_NAME]


def test_nothing_of_an_earlier_run_stays_among_the_new_frames(tmp_path: Path) -> None:
    for finished in (False, True):
        start_run(tmp_path)
        (tmp_path / "00009.png").touch()
        (tmp_path / "probabilities").mkdir(exist_ok=True)
        (tmp_path / "probabilities" / "00009.png").touch()
        if finished:
            write_record(tmp_path, {})
        start_run(tmp_path)
        assert not list(tmp_path.rglob("*.png"))
        assert read_record(tmp_path) is None


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.png").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"already holds holiday\.png"):
        start_run(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["holiday.png"]


def test_left_overs_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    with replacing(tmp_path / "overlay.mp4") as temporary:
        temporary.write_bytes(b"half")
        left_over = temporary.with_name(temporary.name.replace("overlay", "other"))
        left_over.write_bytes(b"half")
    (tmp_path / "notes.txt").touch()
    (tmp_path / UNFINISHED_NAME).touch()
    start_run(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"notes.txt", UNFINISHED_NAME}


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "\xff\xfe"])
def test_anything_else_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD_NAME).write_text(text, "latin-1")
    assert read_record(tmp_path) is None


def test_no_folder_no_record(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert read_record(tmp_path / "none") is None
    assert read_record(tmp_path / "file") is None
