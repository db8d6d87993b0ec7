import pytest
import torch

from threedcseg.models import create_model
from threedcseg.training.gradient_checkpointing import blocks, checkpoint_blocks
from threedcseg.training.memory import estimate_memory


def held_by(network) -> int:
    """Bytes of all that `forward` really holds for `backward`, but for the weights."""
    held = {}

    def hold(tensor):
        held[tensor.data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        network(torch.rand(1, 3, 4, 32, 64)).sum()
    weights = {parameter.data_ptr() for parameter in network.parameters()}
    return sum(t.untyped_storage().nbytes() for at, t in held.items() if at not in weights)


@pytest.mark.parametrize("name", ["compact", "3dc-seg"])
def test_the_estimate_is_what_forward_keeps(name):
    """On the meta device as on the CPU, where the tensors are really held."""
    options = {"width": "lite0"} if name == "compact" else {"encoder": "ir-csn-50", "channels": 16}
    network = create_model(name, **options)
    size = held_by(network)
    real = estimate_memory(network, (1, 3, 4, 32, 64))
    assert real.activations == pytest.approx(size, rel=0.02)
    checkpoint_blocks(network)
    assert held_by(network) < 0.5 * size
    meta = estimate_memory(create_model(name, **options).to("meta"), (1, 3, 4, 32, 64))
    assert meta.activations == pytest.approx(real.activations, rel=0.02)


def test_the_estimate_grows_and_shrinks_as_it_should():
    def estimated(**options):
        network = create_model("compact", width="lite0", channels=8).to("meta")
        return estimate_memory(network, (2, 3, 4, 64, 96), **options)

    plain, half = estimated(), estimated(half=True)
    assert half.activations == pytest.approx(plain.activations / 2, rel=0.05)
    assert estimated(gradient_checkpointing=True).activations < 0.6 * plain.activations
    assert estimated(average=True).average == plain.weights
    network = create_model("compact", width="lite0", channels=8)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert plain.gradients == 4 * count and plain.optimizer == 8 * count


def test_blocks_hold_nearly_all_parameters_once():
    network = create_model("3dc-seg", encoder="ir-csn-50", channels=16)
    inside = [id(p) for block in blocks(network) for p in block.parameters()]
    assert len(inside) == len(set(inside))
    size = {id(p): p.numel() for p in network.parameters()}
    assert sum(size[i] for i in inside) > 0.99 * sum(size.values())
