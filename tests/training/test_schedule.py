import dataclasses

import pytest

from threedcseg.training.recipe import Source, Stage
from threedcseg.training.schedule import Progress, learning_rate


def test_learning_rates():
    stage = Stage("x", (Source("stills", "."),), (32, 32), 1.0, 100, 1, warmup=10)
    assert learning_rate(stage, Progress(0)) == pytest.approx(0.1)
    assert learning_rate(stage, Progress(10)) == pytest.approx(1.0)
    assert learning_rate(stage, Progress(55)) == pytest.approx(0.5)
    assert learning_rate(stage, Progress(99)) < 0.001
    paper = dataclasses.replace(stage, schedule="exponential", decay=0.5, decay_steps=40, warmup=0)
    assert [learning_rate(paper, Progress(step)) for step in (0, 39, 40, 80)] == [1, 1, 0.5, 0.25]


def test_by_the_clock_the_rate_follows_the_time():
    stage = Stage("x", (Source("stills", "."),), (32, 32), 1.0, minutes=2, batch_size=1, warmup=10)
    assert learning_rate(stage, Progress(4, 60)) == pytest.approx(0.5)  # warming up, by steps
    assert learning_rate(stage, Progress(500, 60)) == pytest.approx(0.5)
    assert learning_rate(stage, Progress(500, 130)) == 0
    assert [Progress(9, s).share(stage) for s in (0, 30, 150)] == [0, 0.25, 1.25]
    assert Progress(25, 999).share(dataclasses.replace(stage, minutes=0, steps=50)) == 0.5
