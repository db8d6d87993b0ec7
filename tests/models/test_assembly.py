"""Every encoder with every bridge and refinement, plain and separable."""

import itertools

import pytest
import torch
from torch import nn

from threedcseg.models import create_model
from threedcseg.models.encoders.encoder import Encoder
from threedcseg.models.meta import on_meta
from threedcseg.models.networks.paper import threedc_seg
from threedcseg.models.registry import BRIDGES, ENCODERS, MODELS, REFINEMENTS

DECODERS = [
    dict(zip(("bridge", "refinement", "convolution"), parts, strict=True))
    for parts in itertools.product(BRIDGES, REFINEMENTS, ("plain", "separable"))
]


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_goes_with_every_decoder(name):
    frames, side = 12 if name.endswith("padded") else 8, 32
    with on_meta():
        encoder = ENCODERS.build(name).eval()
    clip = torch.empty(1, 3, 8, side, side, device="meta")
    with torch.no_grad():
        shapes = [tuple(x.shape) for x in encoder(clip)]
    assert shapes == [
        (1, channels, -(-frames // time), side // space, side // space)
        for channels, (time, space) in zip(encoder.out_channels, encoder.strides, strict=True)
    ]
    maps = [torch.rand(shape) for shape in shapes]
    # A bridge sees the coarsest map alone, a refinement the others: each once is enough.
    pairs = list(itertools.zip_longest(BRIDGES, REFINEMENTS, fillvalue="simple"))
    for (bridge, refinement), convolution in itertools.product(pairs, ("plain", "separable")):
        decoder = threedc_seg(
            encoder, bridge, refinement, 8, convolution=convolution
        ).decoder.eval()
        with torch.inference_mode():
            assert decoder(maps).shape == (1, 2, *shapes[0][2:])


class Pyramid(Encoder):
    """One convolution a map; time is halved once."""

    out_channels = (4, 6, 8, 12)
    strides = ((1, 4), (1, 8), (2, 16), (2, 32))
    mean = std = (0.5, 0.5, 0.5)

    def __init__(self):
        super().__init__()
        steps = (3, 4, 1, 4), (4, 6, 1, 2), (6, 8, 2, 2), (8, 12, 1, 2)
        self.maps = nn.ModuleList(
            nn.Conv3d(before, after, 3, (time, space, space), padding=1)
            for before, after, time, space in steps
        )

    def forward(self, clip):
        return list(itertools.accumulate(self.maps, lambda x, conv: conv(x).relu(), initial=clip))[
            1:
        ]


def without_gradient(network, clip):
    """Names of parameters without a gradient."""
    torch.manual_seed(0)
    for parameter in network.parameters():  # nothing stays at a zero that it started from
        parameter.data += 0.02 * torch.randn_like(parameter)
    logits = network.eval()(clip)
    (logits * torch.randn_like(logits)).sum().backward()
    return {
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }


@pytest.mark.parametrize("parts", DECODERS, ids=lambda parts: "-".join(parts.values()))
def test_every_parameter_of_every_decoder_receives_a_gradient(parts):
    network = threedc_seg(Pyramid(), channels=32, **parts)
    cancels = {"decoder.bridge.attend.key.bias"}  # the softmax ignores a shift of all its inputs
    assert without_gradient(network, torch.rand(1, 3, 4, 64, 128)) - cancels == set()


@pytest.mark.parametrize("name", ENCODERS)
def test_every_parameter_of_every_encoder_receives_a_gradient(name):
    network = create_model("3dc-seg", encoder=name, channels=8, convolution="separable")
    assert without_gradient(network, torch.rand(1, 3, 8, 32, 64)) == set()


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_of_every_model_receives_a_gradient(name):
    assert without_gradient(create_model(name), torch.rand(1, 3, 8, 64, 64)) == set()


def test_the_normalisation_is_the_encoders():
    network = threedc_seg(Pyramid(), channels=8)
    assert torch.equal(network.mean.flatten(), torch.tensor(Pyramid.mean))
    assert {"mean", "std"} <= network.state_dict().keys()
