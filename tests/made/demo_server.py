"""A real server of the demo on a free port, with a network whose pace the tests set."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_videos import write_video
from patience import PATIENCE, until
from torch import Tensor

httpx = pytest.importorskip("httpx", reason="needs the package httpx")
uvicorn = pytest.importorskip("uvicorn", reason="needs the extra demo")
pytest.importorskip("starlette", reason="needs the extra demo")

from threedcseg.demo.app import create_app  # noqa: E402
from threedcseg.demo.connections import Connection  # noqa: E402
from threedcseg.demo.jobs import Jobs  # noqa: E402
from threedcseg.demo.server import bind  # noqa: E402
from threedcseg.demo.uploads import Limits  # noqa: E402
from threedcseg.inference.settings import Settings  # noqa: E402
from threedcseg.video.reader import open_video  # noqa: E402

HEIGHT, WIDTH, COUNT = 96, 160, 16
SETTINGS = Settings(short_edge=96, overlap=3, stride=1, tta=1)  # one pass a clip, for the gate


class Bright:
    """A network that finds what is bright, one clip each time the gate lets it."""

    def __init__(self) -> None:
        self._tickets = threading.Semaphore(1000)

    def close_gate(self) -> None:
        self._tickets = threading.Semaphore(0)

    def let_pass(self, clips: int = 1000) -> None:
        self._tickets.release(clips)

    def __call__(self, clip: Tensor) -> Tensor:
        assert self._tickets.acquire(timeout=PATIENCE)
        return (clip.mean(1, keepdim=True) - 0.5) * 12


def disc_video(path: Path, *, start: int = 30, step: int = 4, count: int = COUNT) -> Path:
    """A bright disc with a blurred rim, for soft edges, that moves over a dark, noisy ground."""
    rng = np.random.default_rng(0)
    images = []
    for t in range(count):
        image = rng.integers(0, 50, (HEIGHT, WIDTH, 3), np.uint8)
        cv2.circle(image, (start + step * t, HEIGHT // 2), 20, (230, 240, 225), -1)
        images.append(cv2.GaussianBlur(image, None, 2))
    write_video(path, images)
    return path


@dataclass
class Demo:
    url: str
    client: Any
    jobs: Jobs
    network: Bright
    folder: Path
    app: Any

    def send(self, video: Path | bytes, name: str = "disc.mp4", **headers: str):
        body = video if isinstance(video, bytes) else video.read_bytes()
        return self.client.post("/jobs", params={"name": name}, content=body, headers=headers)

    def start(self, video: Path, name: str = "disc.mp4") -> str:
        answer = self.send(video, name)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def events(self, token: str) -> Iterator[dict[str, Any]]:
        """Snapshots until nothing changes any more."""
        with self.client.stream("GET", f"/jobs/{token}/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    def wait(self, token: str) -> dict[str, Any]:
        *_, last = self.events(token)
        return last

    def fetch(self, token: str, name: str, **options: str):
        """Have an output made, and get it."""
        answer = self.client.post(f"/jobs/{token}/outputs/{name}", params=options)
        assert answer.status_code == 202, answer.text
        number = answer.json()["number"]
        assert self.wait(token)["outputs"][number]["state"] == "ready"
        return self.client.get(f"/jobs/{token}/outputs/{number}")

    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


def check_same_video(ours: Path, theirs: Path) -> None:
    """As alike as two runs of an encoder, whose rate control is not exact with several threads."""
    with open_video(ours) as left, open_video(theirs) as right:
        for a, b in zip(left, right, strict=True):
            assert a.time == b.time
            assert np.abs(a.image.astype(int) - b.image).mean() < 4


@contextmanager
def serving(
    folder: Path,
    limits: Limits | None = None,
    sample: Path | None = None,
    token: str | None = None,
    local: bool = False,
) -> Iterator[Demo]:
    """A server for a block, in ``folder``, which it removes."""
    network = Bright()
    folder.mkdir()
    jobs = Jobs(network, folder, limits or Limits(), SETTINGS)
    about = {"model": "bright", "device": "a test"}
    app = create_app(
        jobs,
        about,
        sample=sample,
        token=token,
        local=local,
        is_stopping=lambda: server.should_exit,
    )
    config = uvicorn.Config(app, http=Connection, log_level="error", access_log=False)
    server = uvicorn.Server(config)
    with bind("127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            until(lambda: server.started)
            with httpx.Client(base_url=url, timeout=PATIENCE) as client:
                yield Demo(url, client, jobs, network, folder, app)
        finally:
            network.let_pass()
            server.should_exit = True
            thread.join(PATIENCE)
    assert not thread.is_alive()
    assert not folder.exists(), "the server leaves files behind"
