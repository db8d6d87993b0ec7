"""oneDNN's convolutions against torch's, in double precision; and which way is chosen."""

import pytest
import torch

from threedcseg.training import onednn
from threedcseg.training.convolutions import by_torch, fastest_convolution

CPU = torch.device("cpu")
needs_onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="PyTorch without oneDNN"
)


@needs_onednn
@pytest.mark.parametrize(
    ("shape", "out", "groups", "kernel", "stride", "relu6", "has_bias"),
    [
        ((2, 24, 9, 13), 24, 24, (3, 3), 1, True, True),
        ((2, 32, 8, 11), 32, 32, (3, 3), 2, False, True),
        ((3, 48, 7, 6), 48, 48, (5, 5), 1, False, False),
        ((2, 40, 11, 19), 40, 40, (5, 5), 1, True, True),
        ((1, 40, 10, 12), 40, 40, (5, 5), 2, True, True),
        ((2, 24, 11, 19), 24, 24, (5, 5), 2, True, False),
        ((2, 16, 5, 4), 16, 16, (5, 5), 2, False, True),
        ((1, 16, 2, 1), 16, 16, (5, 5), 1, False, True),
        ((2, 96, 8, 30), 96, 96, (3, 1), 1, False, True),
        ((4, 24, 6, 10), 48, 1, (1, 1), 1, True, True),
        ((4, 24, 6, 10), 48, 1, (1, 1), 2, False, True),
        ((2, 3, 9, 14), 16, 1, (3, 3), 2, True, True),
        ((2, 8, 6, 10), 12, 1, (1, 7), 1, False, True),
        ((2, 16, 6, 10), 8, 4, (3, 3), 1, False, True),
        ((2, 1, 6, 10), 1, 1, (5, 5), 1, False, True),
    ],
)
def test_results_and_gradients_are_those_of_torch(
    shape, out, groups, kernel, stride, relu6, has_bias
):
    draw = torch.Generator().manual_seed(0)
    x = (3 * torch.randn(shape, generator=draw)).to(memory_format=torch.channels_last)
    weight = torch.randn(out, shape[1] // groups, *kernel, generator=draw) / 2
    bias = torch.randn(out, generator=draw) if has_bias else None
    inputs = [t.requires_grad_() for t in (x, weight, bias) if t is not None]
    padding = (kernel[0] // 2, kernel[1] // 2)

    ours = onednn.convolution(x, weight, bias, stride, padding, relu6)
    exact = [t.detach().double().requires_grad_() for t in inputs]
    theirs = by_torch(*exact[:2], exact[2] if has_bias else None, stride, padding, relu6)
    slope = torch.randn(theirs.shape, generator=draw)
    gradients = torch.autograd.grad(ours, inputs, slope)
    expected = torch.autograd.grad(theirs, exact, slope.double())

    for one, other in zip((ours, *gradients), (theirs, *expected), strict=True):
        assert one.dtype == torch.float32
        assert (one.double() - other).abs().max() <= 2e-6 * other.abs().max()
    assert ours.is_contiguous(memory_format=torch.channels_last)


@needs_onednn
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (5, 5)])
@pytest.mark.parametrize("frozen", ["x", "weight and bias"])
def test_what_is_frozen_gets_no_gradient(kernel, frozen):
    x, weight, bias = torch.randn(2, 8, 6, 7), torch.randn(8, 1, *kernel), torch.randn(8)
    if kernel == (1, 1):
        weight = torch.randn(4, 8, 1, 1)
        bias = bias[:4]
    for tensor in (weight, bias) if frozen == "x" else (x,):
        tensor.requires_grad_()
    padding = (kernel[0] // 2, kernel[1] // 2)
    onednn.convolution(x, weight, bias, 1, padding, True).sum().backward()
    given = x.grad, weight.grad, bias.grad
    assert [g is None for g in given] == [frozen == "x"] + 2 * [frozen != "x"]
    ours = [g.clone() for g in given if g is not None]
    for tensor in (x, weight, bias):
        tensor.grad = None
    by_torch(x, weight, bias, 1, padding, True).sum().backward()
    theirs = [t.grad for t in (x, weight, bias) if t.grad is not None]
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@needs_onednn
def test_on_a_cpu_both_ways_are_measured():
    by, line = fastest_convolution(CPU, torch.float32)
    assert by in (onednn.convolution, by_torch)
    assert "ms by oneDNN" in line and "ms by torch" in line


def test_where_nothing_is_faster_torch_computes():
    by, line = fastest_convolution(CPU, torch.bfloat16)
    assert by is by_torch
    assert line == "convolutions by torch: nothing faster in torch.bfloat16 on cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_both_ways_are_measured():
    _, line = fastest_convolution(torch.device("cuda"), torch.bfloat16)
    assert "ms by Triton" in line and "ms by torch" in line
