"""The server as a process: its addresses, and how it ends."""

import signal
import socket
import subprocess
import sys

import httpx
import pytest
from demo_server import disc_video
from patience import PATIENCE, until

from threedcseg.demo.server import address, bind, is_local

STUCK = """
import sys, time
from pathlib import Path
from threedcseg.demo.server import bind, serve
from threedcseg.demo.uploads import Limits
from threedcseg.inference.settings import Settings

def network(clip):
    Path(sys.argv[1]).touch()
    time.sleep(3600)

with bind("127.0.0.1", 0) as listening:
    serve(network, "stuck", Settings(short_edge=96), Limits(), listening, "127.0.0.1")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to end with")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_though_a_network_is_at_work_and_an_upload_stalls(tmp_path, monkeypatch, number):
    """Neither is waited for: the network here takes an hour for a clip."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    at_work = tmp_path / "at work"
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(at_work)], stdout=subprocess.PIPE, text=True
    )
    try:
        lines = [process.stdout.readline() for _ in range(2)]
        url = lines[1].split()[1].partition("/?")[0]
        sent = httpx.post(f"{url}/jobs", content=disc_video(tmp_path / "v.mp4").read_bytes())
        assert sent.status_code == 201
        until(at_work.exists)
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as line:
            head = f"POST /jobs HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10000\r\n\r\n"
            line.sendall(head.encode())
            until(lambda: len(list((tmp_path / "temporary").glob("3dcseg-demo-*/*/upload"))) == 2)
            process.send_signal(number)
            assert process.wait(PATIENCE) == 0
        assert "all videos are deleted" in process.stdout.read()
        assert list((tmp_path / "temporary").iterdir()) == []
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("host", "local"), [("127.0.0.1", True), ("0.0.0.0", False)])
def test_a_page_that_others_reach_has_its_token_in_the_address(host, local):
    with bind(host, 0) as listening:
        assert is_local(listening) is local
        port = listening.getsockname()[1]
        assert address(host, listening).startswith(f"http://127.0.0.1:{port}/")
        assert address(host, listening, "abc").split()[0].endswith(f"{port}/?token=abc")
