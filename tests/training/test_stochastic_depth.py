import copy

import torch
from tiny_recipes import network

from threedcseg.models.encoders.efficientnet import InvertedBottleneck
from threedcseg.training.stochastic_depth import drop_blocks


def test_blocks_are_left_out_clip_by_clip_in_training_only():
    torch.manual_seed(0)
    block = InvertedBottleneck(8, 8, 2, 3, 1).eval()
    dropping = copy.deepcopy(block)
    drop_blocks(dropping, 0.25)
    frames = torch.randn(64 * 2, 8, 5, 6)  # 64 clips of two frames
    whole = block(frames, 64)
    assert torch.equal(dropping(frames, 64), whole)
    dropping.train()
    for module in dropping.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    found = dropping(frames, 64).unflatten(0, (64, 2))
    frames, whole = frames.unflatten(0, (64, 2)), whole.unflatten(0, (64, 2))
    left_out = 0
    for clip, before, after in zip(found, frames, whole, strict=True):
        if torch.equal(clip, before):
            left_out += 1
        else:
            torch.testing.assert_close(clip, before + (after - before) / 0.75)
    assert 6 <= left_out <= 28


def test_blocks_without_a_skip_are_always_there():
    model = network()
    drop_blocks(model.encoder, 0.5)
    hooked = [m for m in model.encoder.modules() if m._forward_hooks]
    assert len(hooked) == sum(block.skip for block in model.encoder.blocks) > 5
