import pytest
from small_networks import NETWORKS, small_network
from torch import nn

from threedcseg.models import complexity
from threedcseg.models.registry import ENCODERS
from threedcseg.published import TABLE_1

SHAPE = (1, 3, 8, 64, 96)


@pytest.mark.parametrize("parts", NETWORKS.values(), ids=list(NETWORKS))
def test_parameters_are_those_of_the_network(parts):
    counted = complexity.count(lambda: small_network(*parts), SHAPE)
    network = small_network(*parts)
    assert counted.parameters == sum(parameter.numel() for parameter in network.parameters())
    statistics = [b for name, b in network.named_buffers() if name.endswith(("_mean", "_var"))]
    assert counted.statistics == sum(buffer.numel() for buffer in statistics)


VOXELS = 8 * 64 * 96


@pytest.mark.parametrize(
    ("build", "macs"),
    [
        (lambda: nn.Conv3d(3, 10, 3, padding=1), VOXELS * 10 * 3 * 27),
        (lambda: nn.Conv3d(3, 10, 3, stride=2, padding=1), VOXELS // 8 * 10 * 3 * 27),
        (lambda: nn.Conv3d(3, 12, 3, padding=1, groups=3), VOXELS * 12 * 27),  # depthwise
        (lambda: nn.ConvTranspose3d(3, 10, 3, padding=1), VOXELS * 3 * 10 * 27),
        (lambda: nn.Sequential(nn.Flatten(3), nn.Linear(64 * 96, 7)), VOXELS * 3 * 7),
        (lambda: nn.Sequential(nn.Conv3d(3, 5, 1), nn.BatchNorm3d(5), nn.ReLU()), VOXELS * 15),
    ],
)
def test_multiply_adds(build, macs):
    assert complexity.count(build, SHAPE).macs == macs


def test_the_parts_add_up_to_the_network():
    parts = complexity.of_encoder("ir-csn-152") + complexity.of_bridge("gc3d")
    parts += complexity.of_refinement("rf3d")
    whole = complexity.of_model("3dc-seg")
    head = 2 * 256 * 27 + 2
    assert whole.parameters == parts.parameters + head
    assert whole.macs - parts.macs == 2 * 256 * 27 * 8 * 120 * 216
    assert 2.2e12 < whole.macs < 2.4e12  # 2,300 GMAC were measured for the published network


@pytest.mark.parametrize("name", TABLE_1)
def test_table_1_of_the_paper(name):
    counted = complexity.of_encoder(name)
    ways = {
        "conv": counted.convolutions,
        "+norm": counted.parameters,
        "+stats": counted.parameters + counted.statistics,
    }
    assert round(ways[TABLE_1[name].counted] / 1e6, 1) == TABLE_1[name].millions
    assert name in ENCODERS
