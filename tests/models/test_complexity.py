import pytest
import torch
from small_networks import NETWORKS, small_network
from torch.utils.flop_counter import FlopCounterMode

from threedcseg.cli.models import TABLE_1
from threedcseg.models import complexity as census
from threedcseg.models.registry import ENCODERS

SHAPE = (1, 3, 8, 64, 96)


@pytest.mark.parametrize("parts", NETWORKS.values(), ids=list(NETWORKS))
def test_counts_agree_with_torch(parts):
    counted = census.count(lambda: small_network(*parts), SHAPE)
    network = small_network(*parts).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as flops:
        network(torch.rand(SHAPE))
    assert counted.macs * 2 == flops.get_total_flops()
    assert counted.parameters == sum(parameter.numel() for parameter in network.parameters())
    statistics = [b for name, b in network.named_buffers() if name.endswith(("_mean", "_var"))]
    assert counted.statistics == sum(buffer.numel() for buffer in statistics)


def test_the_parts_add_up_to_the_network():
    parts = census.of_encoder("ir-csn-152") + census.of_bridge("gc3d")
    parts += census.of_refinement("rf3d")
    whole = census.of_model("3dc-seg")
    head = 2 * 256 * 27 + 2
    assert whole.parameters == parts.parameters + head
    assert whole.macs - parts.macs == 2 * 256 * 27 * 8 * 120 * 216
    assert 2.2e12 < whole.macs < 2.4e12  # 2,300 GMAC were measured for the published network


@pytest.mark.parametrize(
    ("name", "millions", "counts"),
    [
        ("ir-csn-152", 28.7, lambda c: c.convolutions),
        ("r2plus1d-34", 63.5, lambda c: c.parameters),
        ("resnet-101", 42.5, lambda c: c.parameters),
        ("resnet-101-dilated", 42.6, lambda c: c.parameters + c.statistics),
    ],
)
def test_table_1_of_the_paper(name, millions, counts):
    assert round(counts(census.of_encoder(name)) / 1e6, 1) == millions
    assert TABLE_1[name].startswith(str(millions))
    assert name in ENCODERS
