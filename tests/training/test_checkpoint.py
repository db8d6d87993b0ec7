import dataclasses
import resource

import pytest
import torch
from tiny_recipes import losses, network, recipe, train_tiny

from threedcseg.errors import InputError
from threedcseg.training.checkpoint import load_checkpoint, save_checkpoint
from threedcseg.training.state import TrainingState


@pytest.fixture
def no_room():
    """From when it is called, no file can grow beyond a megabyte, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_stops_the_run_and_loses_nothing(tiny_data, tmp_path, no_room):
    records: list[dict] = []

    def log(record):
        records.append(record)
        if record["step"] == 5:
            no_room()

    with pytest.raises(InputError, match=r"checkpoint\.pt: could not save .* free some space"):
        train_tiny(recipe(tiny_data), network(), tmp_path, log=log)
    assert records[-1]["step"] == 6
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 4


def test_a_run_goes_on_where_the_disk_was_full(tiny_data, tmp_path, no_room):
    records: list[dict] = []
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def log(record):
        records.append(record)
        if record["step"] == 5:
            no_room()

    with pytest.raises(InputError):
        train_tiny(recipe(tiny_data), network(), tmp_path, log=log)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    train_tiny(recipe(tiny_data), network(), tmp_path, log=records.append)
    assert losses(records).keys() == set(range(1, 11))


@pytest.mark.parametrize(
    ("state", "needle"),
    [
        ({"network": {}}, "not a training checkpoint"),
        ({"step": 1, "network": {}, "optimizer": {}}, "not a training checkpoint"),
        ([1, 2], "not a training checkpoint"),
        (None, "damaged"),
    ],
)
def test_files_that_are_no_checkpoint(tmp_path, state, needle):
    path = tmp_path / "checkpoint.pt"
    if state is None:
        save_checkpoint(path, {"step": 1, "network": torch.zeros(1000)})
        path.write_bytes(path.read_bytes()[:-200])
    else:
        torch.save(state, path)
    with pytest.raises(InputError, match=needle):
        load_checkpoint(path)


def test_a_checkpoint_of_other_shapes_is_refused(tiny_data, tmp_path):
    """The recipe's model is the same by name, but what its code builds is not."""
    stage = dataclasses.replace(recipe(tiny_data).stages[0], steps=1)
    one = recipe(tiny_data, stages=(stage,))
    train_tiny(one, network(), tmp_path)
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    state["network"]["decoder.head.conv.weight"] = torch.zeros(1, 4, 3, 3)
    save_checkpoint(tmp_path / "checkpoint.pt", state)
    with pytest.raises(InputError, match="another version of this model"):
        train_tiny(one, network(), tmp_path)


@pytest.mark.parametrize("part", ["step", "progress", "network", "optimizer"])
@pytest.mark.parametrize("value", [[1], {"a": [1]}])
def test_a_checkpoint_that_means_ill(tiny_data, tmp_path, part, value):
    path = tmp_path / "checkpoint.pt"
    state = TrainingState(recipe(tiny_data), network())
    state.save(path)
    save_checkpoint(path, load_checkpoint(path) | {part: value})
    with pytest.raises(InputError, match=r"checkpoint\.pt: checkpoint of another"):
        state.restore(path)


def test_a_moving_average_may_begin_later(tiny_data, tmp_path):
    stage = dataclasses.replace(recipe(tiny_data).stages[0], steps=2)
    without = recipe(tiny_data, stages=(stage,), moving_average=0.0)
    train_tiny(without, network(), tmp_path)
    longer = (dataclasses.replace(stage, steps=3),)
    averaged = train_tiny(
        recipe(tiny_data, stages=longer, moving_average=0.9),
        network(),
        tmp_path,
    )
    last = load_checkpoint(tmp_path / "checkpoint.pt")["network"]
    for name, tensor in averaged.state_dict().items():
        assert torch.equal(tensor, last[name])
