"""An interrupted run must not look finished, and clearing takes what the earlier run wrote only."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from made_records import LIVE, finish, record_of

from threedcseg.atomic import PART_SUFFIX
from threedcseg.errors import InputError
from threedcseg.outputs.record import RECORD_NAME, Provenance, RunRecord
from threedcseg.outputs.rendering import Rendering
from threedcseg.outputs.result_folder import (
    UNFINISHED_NAME,
    FolderInUse,
    begin_run,
    claimed_folder,
    finish_run,
    kept_outputs,
)

NUMBERED = {"masks": ("*.png",), "palette": ("palette/*.png",), "overlay": ("overlay.mp4",)}


WEIGHTS = Provenance(weights_sha256="34")


def known(**facts) -> RunRecord:
    """A record of which all is known that is compared."""
    return record_of(**{"source_digest": "12", "provenance": WEIGHTS, **facts})


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


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """Neither the records, nor a claim, nor what lies in a folder of images."""
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    precious = elsewhere / "00000.png"
    precious.write_text("precious")
    (out / UNFINISHED_NAME).symlink_to(precious)
    (tmp_path / ".out.claim").symlink_to(precious)
    with pytest.raises(InputError, match="is a link"), claimed_folder(out):
        pass
    begin_run(out, record_of())
    assert not (out / UNFINISHED_NAME).is_symlink() and precious.read_text() == "precious"
    finish_run(out, record_of())
    (out / RECORD_NAME).rename(elsewhere / "record")
    (out / RECORD_NAME).symlink_to(elsewhere / "record")
    before = (elsewhere / "record").read_text()
    begin_run(out, record_of())
    finish_run(out, record_of(num_frames=7))
    assert (elsewhere / "record").read_text() == before
    (out / "probabilities").symlink_to(elsewhere)
    with pytest.raises(InputError, match="probabilities is a link"):
        begin_run(out, record_of(outputs={"probabilities": ["probabilities/*.png"]}))
    assert precious.read_text() == "precious"


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


FILES = ["00000.png", "00001.png", "00002.png", "overlay.mp4", "matte.mp4"]
OUTPUTS = {"masks": ("*.png",), "overlay": ("overlay.mp4",), "matte": ("matte.mp4",)}


def made(folder: Path) -> RunRecord:
    """Files of three outputs, and their record."""
    touch(folder, *FILES)
    finish_run(folder, known(outputs=OUTPUTS))
    return known(num_frames=0, outputs={"boxes": ("boxes.csv",)})


def test_what_is_valid_stays_and_is_added_to(tmp_path: Path) -> None:
    record = made(tmp_path)
    kept = kept_outputs(tmp_path, record, redo=False)
    assert kept == OUTPUTS
    begin_run(tmp_path, record, list(kept))
    touch(tmp_path, "boxes.csv")
    assert RunRecord.read(tmp_path).outputs == OUTPUTS  # whole meanwhile
    finish_run(tmp_path, known(outputs={**kept, **record.outputs}))
    assert left(tmp_path) == {*FILES, "boxes.csv"}
    assert RunRecord.read(tmp_path).outputs == {**OUTPUTS, "boxes": ("boxes.csv",)}


def test_what_is_not_valid_goes_and_the_rest_stays(tmp_path: Path) -> None:
    record = made(tmp_path).model_copy(update={"rendering": Rendering("soft")})
    kept = kept_outputs(tmp_path, record, redo=False)
    assert kept.keys() == {"masks", "overlay"}
    begin_run(tmp_path, record, list(kept))
    assert left(tmp_path) == set(FILES) - {"matte.mp4"}
    assert RunRecord.read(tmp_path).outputs.keys() == {"masks", "overlay"}


def test_an_addition_that_was_broken_off_leaves_what_was_whole(tmp_path: Path) -> None:
    record = made(tmp_path)
    begin_run(tmp_path, record, list(OUTPUTS))
    touch(tmp_path, "boxes.csv")
    record = record.model_copy(update={"outputs": {"palette": ("palette/*.png",)}})
    assert kept_outputs(tmp_path, record, redo=False) == OUTPUTS
    begin_run(tmp_path, record, list(OUTPUTS))
    assert left(tmp_path) == set(FILES)


@pytest.mark.parametrize("step", range(6))
def test_killed_at_any_step_of_an_exchange_nothing_stays_that_is_not_known(
    tmp_path: Path, monkeypatch, step: int
) -> None:
    record = made(tmp_path).model_copy(update={"rendering": Rendering("soft")})
    done = []

    def killed(real):
        def act(*args, **options):
            if len(done) == step:
                raise KeyboardInterrupt
            done.append(real)
            return real(*args, **options)

        return act

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        for owner, name in ((os, "replace"), (Path, "unlink"), (Path, "write_bytes")):
            patch.setattr(owner, name, killed(getattr(owner, name)))
        begin_run(tmp_path, record, ["masks", "overlay"])
    kept = kept_outputs(tmp_path, record, redo=False)
    assert kept.keys() == {"masks", "overlay"}
    begin_run(tmp_path, record, list(kept))
    assert left(tmp_path) == set(FILES) - {"matte.mp4"}


@pytest.mark.parametrize("missing", ["00001.png", "overlay.mp4"])
def test_what_somebody_removed_is_not_whole(tmp_path: Path, missing: str) -> None:
    record = made(tmp_path)
    (tmp_path / missing).unlink()
    kept = kept_outputs(tmp_path, record, redo=False)
    assert kept.keys() == OUTPUTS.keys() - {"masks" if missing.endswith("png") else "overlay"}


def test_redo_makes_anew_what_is_asked_for(tmp_path: Path) -> None:
    record = made(tmp_path).model_copy(update={"outputs": {"masks": ("*.png",)}})
    assert kept_outputs(tmp_path, record, redo=True).keys() == {"overlay", "matte"}


@pytest.mark.parametrize("finished", [False, True])
def test_results_of_another_source_are_not_replaced(tmp_path: Path, finished: bool) -> None:
    made(tmp_path)
    if not finished:
        (tmp_path / RECORD_NAME).rename(tmp_path / UNFINISHED_NAME)
    other = known(source="/y/a.mp4", source_digest="13")
    with pytest.raises(InputError, match=r"results of a\.mp4, not of /y/a\.mp4: .*--redo"):
        kept_outputs(tmp_path, other, redo=False)
    assert kept_outputs(tmp_path, other, redo=True) == {}
    assert left(tmp_path) == set(FILES)


def test_what_was_live_is_not_replaced(tmp_path: Path) -> None:
    finish(tmp_path, source="camera:0", live=LIVE)
    again = record_of(source="camera:0")
    with pytest.raises(InputError, match=r"camera:0, which was live.*--redo"):
        kept_outputs(tmp_path, again, redo=False)
    assert kept_outputs(tmp_path, again, redo=True) == {}


def test_a_folder_has_one_run_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with claimed_folder(tmp_path / "out"):
        for same in (tmp_path / "out", tmp_path / "link"):
            with pytest.raises(FolderInUse, match="written by another run"), claimed_folder(same):
                pass
        with claimed_folder(tmp_path / "other"):
            pass
    with claimed_folder(tmp_path / "out"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
