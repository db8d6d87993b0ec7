"""Texts that end nowhere, are too large, too deep or none."""

import os
import sys
import threading

import pytest

from threedcseg.errors import InputError
from threedcseg.reading import check_extent, parse_json, read_bounded, read_json, read_text

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


def test_what_is_there(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes('\ufeff{"é": [1, 2]}'.encode())
    assert read_json(path) == {"é": [1, 2]}
    assert read_text(path) == '{"é": [1, 2]}'
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "none")


@needs_posix
@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", "fifo", "folder", "a\0b"])
def test_what_is_no_file_is_refused_at_once(tmp_path, name):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError):
        read_bounded(tmp_path / name)


def test_no_more_is_read_than_allowed(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(11))
    assert len(read_bounded(path, 11)) == 11
    with pytest.raises(InputError, match="larger than"):
        read_bounded(path, 10)


@needs_posix
def test_a_pipe_of_the_shell_is_read(tmp_path):
    """What ``<(command)`` and ``/dev/stdin`` are."""
    into, out = os.pipe()
    writer = threading.Timer(0.2, lambda: (os.write(out, b"[1]"), os.close(out)))
    writer.start()
    try:
        assert read_bounded(type(tmp_path)(f"/dev/fd/{into}")) == b"[1]"
    finally:
        writer.join()
        os.close(into)


@pytest.mark.parametrize(
    "text",
    ["", "{", "\0", "[" * 200_000, "[" * 99 + "]" * 99, '{"a":' * 100_000, "9" * 5000, b"\xff\xfe"],
    ids=["empty", "open", "nul", "brackets", "deep", "braces", "digits", "no text"],
)  # fmt: skip
def test_what_is_no_json_is_told_in_one_line(text):
    with pytest.raises(InputError) as told:
        parse_json(text, "a.json")
    assert str(told.value).startswith("a.json") and len(str(told.value)) < 400


def test_what_stands_in_many_places_counts_as_often():
    value: list = [0]
    for _ in range(30):
        value = [value] * 9
    with pytest.raises(InputError, match="more than 1000 entries"):
        check_extent(value, "here", 1000)
    loop: list = []
    loop.append(loop)
    with pytest.raises(InputError, match="deep"):
        check_extent(loop, "here")
