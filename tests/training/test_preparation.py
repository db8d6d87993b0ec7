import dataclasses

import pytest
import torch
from tiny_recipes import losses, network, recipe, train_tiny
from torch import nn

from threedcseg.errors import InputError
from threedcseg.training.distributed import World
from threedcseg.training.preparation import clips_at_once, freeze_batch_norm


@pytest.mark.parametrize(
    ("mode", "statistics", "affine"),
    [
        ("trained", True, True),
        ("frozen-statistics", False, True),
        ("frozen-affine", True, False),
        ("frozen", False, False),
    ],
)
def test_batch_norms_freeze_by_part(mode, statistics, affine):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    freeze_batch_norm(model, mode)
    norm = model[1]
    before = norm.running_mean.clone()
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    assert (not torch.equal(norm.running_mean, before)) == statistics
    assert (norm.weight.grad is not None) == affine


def test_a_batch_that_cannot_be_shared_is_refused_at_the_start(tiny_data, tmp_path):
    wrong = recipe(tiny_data, accumulate=4)
    with pytest.raises(InputError, match=r"batch_size 2 cannot be split evenly .* multiple of 4"):
        train_tiny(wrong, network(), tmp_path)
    stage = dataclasses.replace(wrong.stages[0], batch_size=24)
    assert clips_at_once(wrong, stage, World(size=3)) == 2


def test_clips_for_which_bfloat16_goes_wrong_are_refused(tiny_data, tmp_path):
    with pytest.raises(InputError, match="96 rows"):
        train_tiny(recipe(tiny_data, precision="bfloat16"), network(), tmp_path)


def test_gradient_checkpointing_changes_nothing(tiny_data, tmp_path):
    logs: list[dict[int, float]] = []
    answers: list[torch.Tensor] = []
    for on in (False, True):
        records: list[dict] = []
        trained = train_tiny(
            recipe(tiny_data, gradient_checkpointing=on, batch_norm="trained"),
            network(),
            tmp_path / str(on),
            log=records.append,
        )
        logs.append(losses(records))
        with torch.inference_mode():
            answers.append(trained.eval()(torch.full((1, 3, 4, 32, 64), 0.5)))
    assert logs[0] == logs[1]
    assert torch.equal(*answers)
    states = [
        torch.load(tmp_path / str(on) / "checkpoint.pt", weights_only=True)["network"]
        for on in (False, True)
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
