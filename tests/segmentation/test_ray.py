import os
import sys

import pytest

from threedcseg.errors import InputError
from threedcseg.segmentation.ray import HERE, Workers, connected

CPU = {"CPU": 8.0, "memory": 1e9}
SMALL = {"CPU": 2.0}
GPU = {"CPU": 16.0, "GPU": 4.0}


@pytest.mark.parametrize(
    ("machines", "device", "count", "workers"),
    [
        ([CPU], "auto", None, Workers(1, 8, 0)),
        ([CPU, CPU], "cpu", None, Workers(2, 8, 0)),
        ([CPU, SMALL], "auto", None, Workers(2, 2, 0)),
        ([CPU, CPU], "auto", 4, Workers(4, 4, 0)),
        ([CPU, CPU], "auto", 3, Workers(3, 4, 0)),
        ([SMALL], "auto", 5, Workers(5, 1, 0)),
        ([GPU, CPU], "auto", None, Workers(4, 4, 1)),
        ([GPU, GPU], "cuda", 3, Workers(3, 4, 1)),
        ([GPU, CPU], "cpu", None, Workers(2, 8, 0)),
    ],
)
def test_a_worker_a_device(machines, device, count, workers):
    assert Workers.on(machines, device, count) == workers


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_devices_that_a_cluster_does_not_give(device):
    with pytest.raises(InputError, match=f"--device {device}"):
        Workers.on([CPU], device, None)


def test_ray_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    needed = r"--ray needs ray, which is not installed: pip install 'threedcseg\[ray\]'"
    with pytest.raises(InputError, match=needed), connected(HERE, None):
        pass
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
