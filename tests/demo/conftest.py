"""Two videos, and servers of the demo."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from demo_server import Demo, disc_video, serving

Serve = Callable[..., AbstractContextManager[Demo]]


@pytest.fixture(scope="session")
def videos(tmp_path_factory) -> tuple[Path, Path]:
    """One disc goes right, the other left."""
    folder = tmp_path_factory.mktemp("discs")
    right = disc_video(folder / "right.mp4")
    return right, disc_video(folder / "left.mp4", start=130, step=-4)


@pytest.fixture
def serve(tmp_path) -> Serve:
    """Start a server for a block, with ``limits``, perhaps a ``sample`` or a ``token``."""
    return partial(serving, tmp_path / "server")


@pytest.fixture
def demo(serve) -> Iterator[Demo]:
    with serve() as started:
        yield started
