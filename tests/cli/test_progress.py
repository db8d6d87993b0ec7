"""How far a command is, where there is no terminal."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from threedcseg.cli import progress
from threedcseg.cli.progress import Events, Lines, Pace, count_progress, frame_progress
from threedcseg.inference.predictor import Shot


class Clock:
    """Goes half a second at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


@pytest.mark.parametrize(
    ("total", "lines"),
    [
        (
            60,
            [
                "20 of 60 frames, 2.0 frames/s, 0:20 left",
                "40 of 60 frames, 2.0 frames/s, 0:10 left",
            ],
        ),
        (None, ["20 frames, 2.0 frames/s", "40 frames, 2.0 frames/s"]),
    ],
)
def test_a_line_every_so_often(capsys, total, lines):
    source = SimpleNamespace(num_frames=total)
    tell = Lines("dog", Pace(10.0, Clock()))
    tell.start(source)
    for _ in range(59):
        tell(source)
    printed, errors = capsys.readouterr()
    assert errors.splitlines() == [f"dog: {line}" for line in lines] and printed == ""


def test_objects(capsys):
    source = SimpleNamespace(num_frames=None, width=64, height=48)
    tell = Events(Path("dog.mp4"), Path("out/dog"), Pace(1.0, Clock()))
    tell.start(source)
    tell.shot(Shot(0, 0, 6))
    tell(source)
    tell.shot(Shot(1, 1, 6))
    tell(source)
    start, cut, frames = map(json.loads, capsys.readouterr().out.splitlines())
    dog = {"video": "dog.mp4", "folder": "out/dog"}
    assert start == {"event": "start", **dog, "size": [64, 48], "total": None}
    assert cut == {"event": "cut", **dog, "frame": 1}
    assert frames == {
        "event": "progress",
        **dog,
        "frames": 2,
        "total": None,
        "frames_per_second": 2.0,
        "seconds_left": None,
    }


def test_without_a_terminal_both_tell(capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    with frame_progress(Path("dog.mp4"), Path("out/dog")) as tell:
        tell(SimpleNamespace(num_frames=4))
    with count_progress(2) as tick:
        tick("walk")
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("dog: 1 of 4 frames, ") and second.startswith("walk: 1 of 2 frames, ")
