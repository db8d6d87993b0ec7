"""`3dcseg demo` as it is typed."""

import os
import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from patience import PATIENCE, until

from threedcseg.cli.main import main
from threedcseg.demo.server import PREFIX


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped_and_leaves_nothing(tmp_path, stop):
    process = subprocess.Popen(
        [sys.executable, "-m", "threedcseg.cli.main", "demo", "--port", "0", "--short-edge", "96"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    try:
        assert re.match(r"compact on (CPU, \d+ thread|\w)", process.stdout.readline())
        url = re.match(r"open (http://127\.0\.0\.1:\d+)/\?token=\S+ ", process.stdout.readline())[1]
        until(lambda: answers(url))
        about = httpx.get(f"{url}/about", timeout=PATIENCE).json()
        assert (about["max_seconds"], about["max_megabytes"], about["keep_minutes"]) == (
            60,
            200,
            30,
        )
        if about["sample"]:
            assert httpx.post(f"{url}/sample", timeout=PATIENCE).status_code == 201
        (folder,) = tmp_path.glob(f"{PREFIX}*")
        assert folder.stat().st_mode & 0o777 == 0o700
        process.send_signal(stop)
        assert process.wait(PATIENCE) == 0
        assert not folder.exists()
    finally:
        process.kill()


def answers(url: str) -> bool:
    try:
        httpx.head(url, timeout=PATIENCE)
    except httpx.ConnectError:
        return False
    return True


def test_a_port_that_is_taken(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", "--port", str(port)]) == 2
    assert f"port {port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--port", "70000"],
        ["--host", "not a host"],
        ["--max-seconds", "0"],
        ["--max-megabytes", "-3"],
        ["--keep-minutes", "nan"],
        ["--short-edge", "3"],
    ],
)
def test_options_that_cannot_work(capsys, words):
    assert main(["demo", "--port", "0", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1


def test_without_the_extra_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "threedcseg.demo.server", raising=False)
    assert main(["demo"]) == 2
    assert "needs uvicorn" in (error := capsys.readouterr().err)
    assert "pip install 'threedcseg[demo]'" in error
