"""The choice between memory layouts, on a CPU and, where there is one, on a GPU."""

import pytest
import torch
from devices import DEVICES
from drawn_weights import draw_into
from small_networks import small_network
from torch import nn

from threedcseg.models.fast import layouts
from threedcseg.models.fast.layouts import FastestLayout
from threedcseg.models.fast.prepare import prepare_for_gpu


class Counted(nn.Module):
    def __init__(self, cost, layout):
        super().__init__()
        self.cost, self.layout, self.calls = cost, layout, 0

    def forward(self, clip):
        assert clip.is_contiguous(memory_format=self.layout)
        self.calls += 1
        Counted.clock += self.cost(clip)
        return clip * 2


def test_the_faster_one_is_found_for_each_shape(monkeypatch):
    """The first is faster on small clips, the second on large ones."""
    Counted.clock = 0.0
    monkeypatch.setattr(layouts.time, "perf_counter", lambda: Counted.clock)
    contiguous = Counted(lambda clip: clip.numel(), torch.contiguous_format)
    channels_last = Counted(lambda clip: 1000.0, torch.channels_last_3d)
    network = FastestLayout(contiguous, channels_last)
    for size, winner, loser in ((4, contiguous, channels_last), (16, channels_last, contiguous)):
        clip = torch.rand(1, 3, 2, size, size)
        network(clip)
        calls = winner.calls, loser.calls
        assert torch.equal(network(clip), clip * 2)
        assert (winner.calls, loser.calls) == (calls[0] + 1, calls[1])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.float16, 0.02), (torch.bfloat16, 0.05)]
)
def test_both_compute_the_same(device, dtype, tolerance):
    plain = draw_into(small_network())
    network = prepare_for_gpu(plain, torch.device(device), dtype)
    clip = torch.rand(1, 3, 4, 32, 48)
    with torch.inference_mode():
        expected = plain(clip).softmax(1)
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            both = [network.model._by(way, clip.to(device), {}) for way in (0, 1)]
        for logits in (*both, network(clip.to(device))):
            assert (logits.float().cpu().softmax(1) - expected).abs().max() < tolerance
