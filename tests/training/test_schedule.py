import dataclasses

import pytest

from threedcseg.training.recipe import Source, Stage
from threedcseg.training.schedule import learning_rate


def test_learning_rates():
    stage = Stage("x", (Source("stills", "."),), 100, 1, (32, 32), 1.0, warmup=10)
    assert learning_rate(stage, 0) == pytest.approx(0.1)
    assert learning_rate(stage, 10) == pytest.approx(1.0)
    assert learning_rate(stage, 55) == pytest.approx(0.5)
    assert learning_rate(stage, 99) < 0.001
    paper = dataclasses.replace(stage, schedule="exponential", decay=0.5, decay_steps=40, warmup=0)
    assert [learning_rate(paper, step) for step in (0, 39, 40, 80)] == [1, 1, 0.5, 0.25]
