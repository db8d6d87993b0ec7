import pytest
from hypothesis import given
from hypothesis import strategies as st

from threedcseg.errors import InputError
from threedcseg.segmentation.shards import Shard, own_device


@given(st.lists(st.integers()), st.integers(1, 12))
def test_shards_have_every_item_once(items, count):
    parts = [Shard(index, count).of(items) for index in range(count)]
    assert sorted(item for part in parts for item in part) == sorted(items)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_shards_are_counted_from_one():
    assert Shard.parse("2/8") == Shard(1, 8)
    assert Shard.parse(" 1 / 1 ") == Shard()
    assert str(Shard.parse("8/8")) == "8/8"


@pytest.mark.parametrize("text", ["0/8", "9/8", "8", "1/0", "-1/8", "a/b", "1/8/2", ""])
def test_other_words_are_no_shards(text):
    with pytest.raises(InputError, match="give I/N with I from 1 to N"):
        Shard.parse(text)


TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}
SRUN = {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "0"}
ARRAY = {
    "SLURM_ARRAY_TASK_ID": "13",
    "SLURM_ARRAY_TASK_COUNT": "5",
    "SLURM_ARRAY_TASK_MIN": "10",
    "SLURM_ARRAY_TASK_STEP": "3",
}


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        ({}, Shard(0, 1)),
        (TORCHRUN, Shard(5, 8)),
        (SRUN, Shard(2, 4)),
        (ARRAY, Shard(1, 5)),
        (ARRAY | SRUN, Shard(1 * 4 + 2, 20)),
        (TORCHRUN | SRUN, Shard(5, 8)),  # srun starts one torchrun a machine
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, Shard(0, 1)),  # a script without srun
        ({"RANK": "3"}, Shard(0, 1)),
    ],
    ids=str,
)
def test_what_launchers_say(environment, shard):
    assert Shard.from_environment(environment) == shard


def test_all_tasks_of_an_array_together_have_the_list():
    tasks = [ARRAY | {"SLURM_ARRAY_TASK_ID": str(10 + 3 * n)} for n in range(5)]
    environments = [task | SRUN | {"SLURM_PROCID": str(n)} for task in tasks for n in range(4)]
    shards = [Shard.from_environment(environment) for environment in environments]
    assert shards == [Shard(index, 20) for index in range(20)]


def test_a_rank_out_of_range_is_told():
    with pytest.raises(InputError, match="give --shard I/N yourself"):
        Shard.from_environment({"RANK": "8", "WORLD_SIZE": "8"})


@pytest.mark.parametrize(
    ("device", "environment", "num_gpus", "own"),
    [
        ("auto", TORCHRUN, 4, "cuda:1"),
        ("cuda", TORCHRUN, 4, "cuda:1"),
        ("cuda", {"SLURM_LOCALID": "5"}, 4, "cuda:1"),
        ("cuda:3", TORCHRUN, 4, "cuda:3"),
        ("cpu", TORCHRUN, 4, "cpu"),
        ("auto", TORCHRUN, 1, "auto"),
        ("auto", {}, 4, "auto"),
    ],
)
def test_each_process_takes_a_gpu_of_its_own(device, environment, num_gpus, own):
    assert own_device(device, environment, num_gpus) == own
