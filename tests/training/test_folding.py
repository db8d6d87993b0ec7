import copy

import pytest
import torch
from torch import nn

from threedcseg.models import create_model
from threedcseg.training import onednn
from threedcseg.training.convolutions import by_torch
from threedcseg.training.folding import FoldedBottleneck, FoldedConv, FrameConv, fold
from threedcseg.training.gradient_checkpointing import checkpoint_blocks
from threedcseg.training.stochastic_depth import drop_blocks


def network():
    """Like a trained one: statistics and affine parameters that are not those of the start."""
    torch.manual_seed(0)
    model = create_model("compact", width="lite0", channels=8, finest=8)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return model.eval().double()


def test_a_folded_network_has_the_same_logits_and_gradients():
    plain = network()
    folded = copy.deepcopy(plain)
    fold(folded, by_torch)
    kinds = [type(module) for module in folded.modules()]
    assert kinds.count(FoldedConv) > 40 and kinds.count(FrameConv) > 40
    clip = torch.rand(2, 3, 4, 32, 64, dtype=torch.float64)
    gradients = []
    for model in (plain, folded):
        logits = model(clip)
        logits.square().mean().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
        torch.testing.assert_close(logits, plain(clip), rtol=1e-9, atol=1e-9)
    assert gradients[0].keys() == gradients[1].keys()
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, rtol=1e-7, atol=1e-10, msg=name)


@pytest.mark.parametrize("part", [onednn.PART, 1])  # bytes: maps as a whole, and by channels
@pytest.mark.parametrize("checkpointed", [False, True])
def test_by_onednn_gradients_are_as_near_to_the_exact_ones_as_torch_is(
    part, checkpointed, monkeypatch
):
    monkeypatch.setattr(onednn, "PART", part)
    exact = network()
    plain, ours = copy.deepcopy(exact).float(), copy.deepcopy(exact).float()
    fold(ours, onednn.convolution)
    if checkpointed:
        checkpoint_blocks(ours)
    clip = torch.rand(2, 3, 4, 32, 64)
    gradients = []
    for model in (exact, plain, ours):
        model(clip.to(model.mean.dtype)).square().mean().backward()
        gradients.append(torch.cat([p.grad.flatten().double() for p in model.parameters()]))
    apart = [(some - gradients[0]).norm() / gradients[0].norm() for some in gradients[1:]]
    assert apart[0] < 1e-4
    assert apart[1] < 5 * apart[0]


@pytest.mark.parametrize("frozen", [("stem", "blocks.0."), ("blocks.1.", "blocks.4.")])
def test_what_is_frozen_below_or_between_leaves_the_other_gradients_alone(frozen):
    exact = network()
    for name, parameter in exact.named_parameters():
        parameter.requires_grad_(not name.startswith(tuple(f"encoder.{part}" for part in frozen)))
    ours = copy.deepcopy(exact).float()
    fold(ours, onednn.convolution)
    clip = torch.rand(1, 3, 4, 32, 64)
    for model in (exact, ours):
        model(clip.to(model.mean.dtype)).square().mean().backward()
    still = 0
    for one, other in zip(exact.parameters(), ours.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None) == (not one.requires_grad)
        still += one.grad is None
        if one.grad is not None:
            assert (one.grad - other.grad).norm() <= 1e-3 * one.grad.norm() + 1e-6
    assert still > 5


def test_parameters_and_their_names_stay_as_they_were():
    plain = network()
    before = {name: id(p) for name, p in plain.named_parameters()}
    keys = list(plain.state_dict())
    fold(plain, by_torch)
    assert {name: id(p) for name, p in plain.named_parameters()} == before
    assert list(plain.state_dict()) == keys
    network().load_state_dict(plain.state_dict())


def test_bottlenecks_are_still_left_out_by_stochastic_depth():
    plain, folded = network(), network()
    fold(folded, onednn.convolution)
    assert sum(isinstance(part, FoldedBottleneck) for part in folded.modules()) == 15
    hooks = []
    for model in (plain, folded):
        drop_blocks(model.encoder, 0.5)
        hooks.append([len(block._forward_hooks) for block in model.encoder.blocks])
    assert hooks[0] == hooks[1] and sum(hooks[0]) > 5


def test_norms_that_are_trained_are_not_folded():
    plain = network().train()
    folded = copy.deepcopy(plain)
    fold(folded, by_torch)
    clip = torch.rand(1, 3, 2, 32, 64, dtype=torch.float64)
    torch.testing.assert_close(folded(clip), plain(clip))
    for one, other in zip(plain.buffers(), folded.buffers(), strict=True):
        torch.testing.assert_close(one, other)


def test_what_is_no_frozen_norm_is_left_alone():
    biased = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    three = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    dilated = nn.Conv2d(4, 4, 3, groups=4, dilation=2)
    model = nn.ModuleList([biased, three, dilated])
    fold(model, by_torch)
    assert [type(part) for part in biased] == [FrameConv, nn.BatchNorm2d]
    assert list(model) == [biased, three, dilated]
