import dataclasses

import torch
from tiny_recipes import network, recipe
from torch.nn import BatchNorm2d

from threedcseg.training.schedule import Progress
from threedcseg.training.state import TrainingState


def test_adamw_shrinks_weights_only(tiny_data):
    stages = tuple(
        dataclasses.replace(stage, rates={"encoder": 0.5}) for stage in recipe(tiny_data).stages
    )
    given = recipe(tiny_data, stages=stages, optimizer="adamw", weight_decay=0.1)
    groups = TrainingState(given, network()).optimizer.param_groups
    assert len(groups) == 4  # encoder and the rest, weights and the rest
    for group in groups:
        assert {p.ndim > 1 for p in group["params"]} == {group["weight_decay"] == 0.1}
    every = sum(len(group["params"]) for group in groups)
    assert every == len(list(network().parameters()))
    paper = TrainingState(recipe(tiny_data, optimizer="adam"), network())
    assert len(paper.optimizer.param_groups) == 1


def test_the_mean_begins_short_and_comes_to_its_decay(tiny_data):
    state = TrainingState(recipe(tiny_data, moving_average=0.8), network())
    weight = state.network.decoder.head.conv.bias
    statistics, averaged = (
        next(part for part in each.modules() if isinstance(part, BatchNorm2d)).running_mean
        for each in (state.network, state.best)
    )
    mean = 0.0
    for number in range(60):
        with torch.no_grad():
            weight.fill_(float(number))
            statistics.fill_(float(number))
        state.average.update_parameters(state.network)
        decay = min(0.8, (number + 1) / (number + 10)) if number else 0.0
        mean = decay * mean + (1 - decay) * number
        assert abs(state.best.decoder.head.conv.bias.item() - mean) < 1e-4
    assert abs(averaged[0].item() - mean) < 1e-4
    assert mean > 50  # a mean since the beginning would be at 30


def test_progress_is_kept(tiny_data, tmp_path):
    state = TrainingState(recipe(tiny_data), network())
    state.progress = [Progress(4, 12.5), Progress(2, 3.0)]
    assert state.step == 6
    state.save(tmp_path / "checkpoint.pt")
    again = TrainingState(recipe(tiny_data), network())
    again.restore(tmp_path / "checkpoint.pt")
    assert again.progress == state.progress
