from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_weights import draw_into
from small_networks import (
    BRIDGES,
    ENCODERS,
    NETWORKS,
    REFINEMENTS,
    clip,
    small_encoder,
    small_network,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "networks.npz"


@pytest.mark.parametrize("name", NETWORKS)
def test_small_networks_keep_their_golden_values(name):
    network = draw_into(small_network(*NETWORKS[name]))
    with np.load(GOLDEN) as golden, torch.inference_mode():
        expected = torch.from_numpy(golden[name])
        found = network(clip()).softmax(dim=1)[0, 1]
    assert expected.std() > 0.01
    assert (found - expected).abs().max() < 1e-4


@pytest.mark.parametrize("encoder", ENCODERS)
def test_encoders_keep_what_they_declare(encoder):
    made = draw_into(small_encoder(encoder))
    frames, height, width = 8, 64, 96
    with torch.inference_mode():
        features = made(clip(frames, height, width))
    padded = 4 if encoder == "ip-csn-padded" else 0
    for feature, channels, (time, space) in zip(
        features, made.out_channels, made.strides, strict=True
    ):
        frames_out = -(-(frames + padded) // time)
        assert feature.shape == (1, channels, frames_out, height // space, width // space)


@pytest.mark.parametrize("parts", NETWORKS.values(), ids=list(NETWORKS))
@pytest.mark.parametrize("size", [(1, 32, 32), (3, 33, 47), (16, 40, 24), (5, 17, 90)])
def test_any_size_comes_out_as_it_went_in(parts, size):
    network = draw_into(small_network(*parts))
    with torch.inference_mode():
        logits = network(torch.cat([clip(*size), clip(*size, seed=1)]))
    assert logits.shape == (2, 2, *size)
    assert logits.isfinite().all()


@pytest.mark.parametrize("bridge", BRIDGES)
@pytest.mark.parametrize("refinement", REFINEMENTS)
def test_every_bridge_goes_with_every_refinement(bridge, refinement):
    network = draw_into(small_network("resnet", bridge, refinement, classes=1))
    assert network(clip()).shape == (1, 1, 4, 32, 48)


def test_a_batch_is_its_clips_one_by_one():
    network = draw_into(small_network())
    one, two = clip(seed=1), clip(seed=2)
    with torch.inference_mode():
        together = network(torch.cat([one, two]))
        apart = torch.cat([network(one), network(two)])
    assert torch.allclose(together, apart, atol=1e-5)


@pytest.mark.parametrize("encoder", ["resnet", "resnet-dilated"])
def test_2d_encoders_see_one_frame_at_a_time(encoder):
    made = draw_into(small_encoder(encoder))
    frames = clip(4)
    order = [2, 0, 3, 1]
    with torch.inference_mode():
        for shuffled, straight in zip(made(frames[:, :, order]), made(frames), strict=True):
            assert torch.allclose(shuffled, straight[:, :, order], atol=1e-6)


@pytest.mark.parametrize("encoder", ["ir-csn", "ip-csn", "r2plus1d"])
def test_3d_encoders_see_motion(encoder):
    made = draw_into(small_encoder(encoder))
    frames = clip(8)
    with torch.inference_mode():
        assert (made(frames)[0] - made(frames.flip(2))[0].flip(2)).abs().max() > 1e-3


def test_normalisation_is_part_of_the_network():
    network = draw_into(small_network())
    seen = []
    network.encoder.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    with torch.inference_mode():
        network(torch.full((1, 3, 1, 32, 32), 0.5))
    expected = 0.5 - torch.tensor([114.7748, 107.7354, 99.4750]) / 255
    assert torch.allclose(seen[0][0, :, 0, 0, 0], expected)
