"""The Triton kernels against torch: compiled on a GPU, else in Triton's interpreter."""

import importlib.util
import os

import pytest
import torch

if importlib.util.find_spec("triton") is None:
    pytest.skip("Triton is not installed (pip install triton)", allow_module_level=True)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # before the kernels are declared

from threedcseg.training.convolutions import by_torch  # noqa: E402
from threedcseg.training.depthwise import depthwise  # noqa: E402


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "relu6", "has_bias"),
    [
        ((2, 24, 9, 13), (3, 3), 1, True, True),
        ((1, 40, 10, 12), (5, 5), 2, True, True),
        ((2, 32, 8, 11), (3, 3), 2, False, True),
        ((2, 48, 7, 6), (5, 5), 1, False, False),
        ((2, 96, 8, 30), (3, 1), 1, False, True),
        ((1, 144, 5, 7), (3, 3), 1, True, True),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_results_and_gradients_are_those_of_torch(shape, kernel, stride, relu6, has_bias, dtype):
    draw = torch.Generator().manual_seed(0)

    def normal(*size):
        return torch.randn(size, generator=draw).to(DEVICE)

    x = normal(*shape).to(memory_format=torch.channels_last).to(dtype).requires_grad_()
    weight = (normal(shape[1], 1, *kernel) / 2).requires_grad_()
    bias = normal(shape[1]).requires_grad_() if has_bias else None
    inputs = [x, weight, bias] if has_bias else [x, weight]
    padding = (kernel[0] // 2, kernel[1] // 2)

    ours = depthwise(x, weight, bias, stride, padding, relu6)
    exact = [t.detach().double().requires_grad_() for t in inputs]
    theirs = by_torch(*exact[:2], exact[2] if has_bias else None, stride, padding, relu6)
    slope = normal(*theirs.shape).to(dtype)
    gradients = torch.autograd.grad(ours, inputs, slope)
    expected = torch.autograd.grad(theirs, exact, slope.double())

    close = 2e-6 if dtype == torch.float32 else 8e-3  # of the largest value
    pairs = zip((ours, *gradients), (theirs, *expected), strict=True)
    for number, (one, other) in enumerate(pairs):
        apart = (one.double() - other).abs() / other.abs().max()
        if relu6 and dtype == torch.bfloat16 and number:
            # Rounded to 8 bits, some results come to 6 or 0 themselves, and let nothing through.
            assert apart.median() <= close and apart.mean() < 5e-2
        else:
            assert apart.max() <= close
    assert ours.is_contiguous(memory_format=torch.channels_last)
    assert ours.dtype == dtype and gradients[1].dtype == torch.float32


def test_kernels_that_are_too_wide_are_refused():
    with pytest.raises(ValueError, match="7 columns"):
        depthwise(torch.zeros(1, 4, 9, 9), torch.zeros(4, 1, 7, 7))
