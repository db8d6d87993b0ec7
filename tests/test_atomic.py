import multiprocessing
import threading
from pathlib import Path

import pytest

from threedcseg import atomic
from threedcseg.atomic import claimed, replacing


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
