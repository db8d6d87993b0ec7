import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from threedcseg import atomic
from threedcseg.atomic import PART_SUFFIX, claimed, no_link, replacing, scratch_folder
from threedcseg.errors import InputError


def test_replacing_leaves_the_old_file_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("old")
        assert not path.exists() and temporary.parent == tmp_path
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_keeps_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with replacing(tmp_path / "made") as temporary:
        temporary.touch()
    assert (tmp_path / "made").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_claim_is_held_by_one_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "claim"
    with claimed(path) as first, claimed(path) as second:
        assert first and not second
    assert not path.exists()
    with pytest.raises(KeyError), claimed(path) as again:
        assert again
        raise KeyError
    assert not path.exists()


def test_the_claim_of_a_killed_process_is_void(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    held = context.Event()

    def hold() -> None:
        with claimed(tmp_path / "claim"):
            held.set()
            threading.Event().wait()

    process = context.Process(target=hold)
    process.start()
    assert held.wait(10)
    with claimed(tmp_path / "claim") as ours:
        assert not ours
    process.kill()
    process.join()
    with claimed(tmp_path / "claim") as ours:
        assert ours


@pytest.mark.parametrize("answer", [True, False])
def test_where_there_are_no_locks(tmp_path: Path, monkeypatch, answer: bool) -> None:
    monkeypatch.setattr(atomic, "fcntl", None)
    with claimed(tmp_path / "claim", without_locks=answer) as ours:
        assert ours == answer


def test_temporary_files_are_new_ones(tmp_path: Path, monkeypatch) -> None:
    """Whatever lies under their names, which others cannot guess, is not written through."""
    monkeypatch.setattr(atomic.secrets, "token_hex", lambda count: "00" * count)
    target = tmp_path / "target"
    for planted in (target, tmp_path / "missing"):
        (tmp_path / f".a-00000000{PART_SUFFIX}").symlink_to(planted)
        target.write_text("precious")
        with pytest.raises(FileExistsError), replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("ours")
        assert target.read_text() == "precious" and not (tmp_path / "missing").exists()
        (tmp_path / f".a-00000000{PART_SUFFIX}").unlink()


def test_what_is_replaced_is_a_link_itself(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / "a.txt").symlink_to(target)
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("ours")
    assert target.read_text() == "precious"
    assert (tmp_path / "a.txt").read_text() == "ours" and not (tmp_path / "a.txt").is_symlink()


@pytest.mark.parametrize("there", [True, False])
def test_claims_and_logs_are_no_links(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "target"
    if there:
        target.write_text("precious")
    (tmp_path / "claim").symlink_to(target)
    with pytest.raises(InputError, match="is a link"), claimed(tmp_path / "claim"):
        pass
    with pytest.raises(OSError, match="claim"), open(tmp_path / "claim", "a", opener=no_link):
        pass
    assert (tmp_path / "claim").is_symlink() and target.exists() == there
    assert not there or target.read_text() == "precious"


def killed_in_the_middle(work: Callable[[Callable[[], object]], None]) -> None:
    """Runs ``work`` in a process that is killed when it calls what it is given."""
    context = multiprocessing.get_context("fork")
    reached = context.Event()

    def stop() -> None:
        reached.set()
        threading.Event().wait()

    process = context.Process(target=work, args=(stop,))
    process.start()
    assert reached.wait(10)
    process.kill()
    process.join()


def test_what_killed_processes_left_of_a_file_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"

    def work(stop: Callable[[], object]) -> None:
        with replacing(path, sweep=True) as temporary:
            temporary.write_text("half")
            stop()

    killed_in_the_middle(work)
    other = tmp_path / f".other-00000000{PART_SUFFIX}"
    other.touch()
    assert len(list(tmp_path.iterdir())) == 2
    with replacing(path, sweep=True) as alive:  # its own, and what another process writes, stay
        with replacing(path, sweep=True) as temporary:
            temporary.write_text("whole")
            assert alive.exists()
        assert {file for file in tmp_path.iterdir()} == {path, alive, other}


def test_scratch_folders_go_and_so_do_those_of_killed_processes(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "in-use").touch()
    (elsewhere / "precious").touch()

    def work(stop: Callable[[], object]) -> None:
        with scratch_folder(tmp_path, ".page-") as folder:
            (folder / "half").touch()
            stop()

    killed_in_the_middle(work)
    (tmp_path / f".page-planted{PART_SUFFIX}").symlink_to(elsewhere)
    (tmp_path / ".page-notes").mkdir()
    assert len(list(tmp_path.iterdir())) == 4
    with scratch_folder(tmp_path, ".page-") as first, scratch_folder(tmp_path, ".page-") as second:
        assert first.is_dir() and second.is_dir() and first != second
        assert os.stat(first).st_mode & 0o777 == 0o700
        assert len(list(tmp_path.iterdir())) == 5
    assert {p.name for p in tmp_path.iterdir()} == {
        "elsewhere", ".page-notes", f".page-planted{PART_SUFFIX}"
    }  # fmt: skip
    assert (elsewhere / "precious").exists()
