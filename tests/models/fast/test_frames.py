"""Fused 2D convolutions, and the compact network of them, against the plain modules."""

import os
import subprocess
import sys
from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from threedcseg.models import create_model
from threedcseg.models.blocks import SeparableConv3d
from threedcseg.models.fast import onednn
from threedcseg.models.fast.frames import (
    FusedBottleneck,
    FusedConv2d,
    FusedLightRefinement,
    FusedSeparableConv3d,
    OneChannelConv2d,
    fuse_convolution,
)
from threedcseg.models.fast.fused import FusedRF3D
from threedcseg.models.fast.prepare import Autocast, prepare_for_inference

ACTIVATIONS = {"none": lambda y: y, "relu": F.relu, "relu6": F.relu6}


def clip(frames=4, height=48, width=64, batch=1):
    return torch.rand(batch, 3, frames, height, width, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def plain():
    """With the map at stride 2, and statistics as training leaves them."""
    torch.manual_seed(0)
    network = create_model("compact", width="lite0", channels=16, finest=8).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    nn.init.normal_(network.decoder.head.conv.weight)  # probabilities that tell places apart
    return network


@pytest.fixture(scope="module")
def fast(plain):
    return prepare_for_inference(plain)


@pytest.fixture(params=["fused", "plain"])
def way(request, monkeypatch):
    """Once by oneDNN's operators, where they are, and once as if they were not."""
    if request.param == "plain":
        monkeypatch.setattr(onednn, "fuses", lambda dtype: False)


def probabilities(network, images):
    with torch.inference_mode():
        return network(images).sigmoid()


def test_what_is_replaced(plain, fast):
    kinds = [type(module) for module in fast.modules()]
    assert kinds.count(FusedBottleneck) == len(plain.encoder.blocks)
    assert kinds.count(FusedRF3D) == 3 and kinds.count(FusedLightRefinement) == 1
    assert kinds.count(FusedSeparableConv3d) == 3 * 5 + 3 + 2
    assert kinds.count(OneChannelConv2d) == 1
    assert not {nn.Conv2d, nn.BatchNorm2d, nn.ReLU6, SeparableConv3d} & set(kinds)


@pytest.mark.parametrize("size", [(48, 64), (33, 47), (5, 90), (1, 1)])
@pytest.mark.parametrize(("frames", "batch"), [(1, 1), (3, 2), (8, 1)])
def test_same_probabilities(plain, fast, size, frames, batch, way):
    images = clip(frames, *size, batch)
    expected = probabilities(plain, images)
    assert (probabilities(fast, images) - expected).abs().max() < 2e-5


def test_they_tell_places_apart(plain):
    assert probabilities(plain, clip()).std() > 0.02


def test_under_autocast(plain, fast, way):
    expected = probabilities(plain, clip())
    found = probabilities(Autocast(fast, torch.bfloat16), clip())
    assert found.dtype == torch.float32
    assert (found - expected).abs().mean() < 0.02


def test_gradients_take_the_plain_way(plain, fast):
    gradients = []
    for network in (plain, fast):
        images = clip(2).requires_grad_()
        network(images).sum().backward()
        gradients.append(images.grad)
    assert (gradients[0] - gradients[1]).abs().max() < 1e-4 * gradients[0].abs().max()


def test_an_export_takes_the_plain_way(plain, fast):
    images = clip()
    with torch.no_grad():
        exported = torch.export.export(fast, (images,))
        assert "mkldnn" not in str(exported.graph)
        assert (exported.module()(images) - plain(images)).abs().max() < 1e-3


@pytest.mark.parametrize(
    ("activation", "added", "overwrite"),
    [(a, *how) for a, how in product(ACTIVATIONS, [(False, False), (True, False), (True, True)])],
)
@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(6, 10, 1),
        nn.Conv2d(6, 10, 3, 2, 1, bias=False),
        nn.Conv2d(8, 8, 5, padding=2, groups=8),
        nn.Conv2d(8, 8, (3, 1), padding=(1, 0), groups=8),
        nn.Conv2d(6, 4, 3, padding=2, dilation=2),
        nn.Conv2d(24, 1, 3, padding=1),
    ],
    ids=str,
)
def test_a_convolution(conv, activation, added, overwrite, way):
    torch.manual_seed(0)
    x = torch.randn(2, conv.in_channels, 9, 14).to(memory_format=torch.channels_last)
    fused = fuse_convolution(conv.requires_grad_(False))
    fused.activation = activation
    with torch.inference_mode():
        y = conv(x)
        residual = torch.randn(y.shape).to(memory_format=torch.channels_last) if added else None
        expected = ACTIVATIONS[activation](y + residual if added else y)
        kept = residual.clone() if added else None
        found = fused(x, residual, overwrite) if added else fused(x)
    assert (found - expected).abs().max() < 1e-5
    assert not added or overwrite or torch.equal(kept, residual)


def test_the_input_of_a_block_is_overwritten_only_where_nobody_else_reads_it(plain, fast):
    images = clip()
    with torch.inference_mode():
        expected, found = plain.encoder(images), fast.encoder(images)
        for a, b in zip(expected, found, strict=True):
            assert (a - b).abs().max() < 1e-4
        kept = [feature.clone() for feature in found]
        fast.decoder(found)
    assert all(torch.equal(a, b) for a, b in zip(kept, found, strict=True))


def test_older_cpus():
    """What a CPU with AVX2 only computes, in float32 and in bfloat16, which it may not fuse."""
    script = """
import torch
from torch import nn
from threedcseg.models.fast.frames import FusedConv2d
conv = nn.Conv2d(8, 16, 1).requires_grad_(False)
x = torch.randn(1, 8, 6, 6)
expected, fused = conv(x).relu(), FusedConv2d(conv)
fused.activation = "relu"
assert torch.allclose(fused(x), expected, atol=1e-5)
with torch.autocast("cpu", torch.bfloat16):
    assert torch.allclose(fused(x).float(), expected, atol=0.05)
"""
    older = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, **older})


def test_they_are_fused_where_the_operators_are():
    """Else nothing of the above was tested on this machine."""
    if not torch.backends.mkldnn.is_available() or torch.backends.cpu.get_cpu_capability() in (
        "DEFAULT",
        "NO AVX",
    ):
        pytest.skip("no oneDNN, or a CPU that it is not made for")
    assert onednn.fuses(torch.float32)
    conv = FusedConv2d(nn.Conv2d(2, 2, 1).requires_grad_(False))
    with torch.profiler.profile() as profile, torch.inference_mode():
        conv(torch.rand(1, 2, 4, 4))
    assert any("_convolution_pointwise" in event.key for event in profile.key_averages())
