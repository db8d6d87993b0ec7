"""Parity with the authors' published implementation, on the golden files of `../shared`."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn_weights import MEAN, STD, clip_of, draw_into, drawn, load, published_network
from torch.nn import functional as F

from threedcseg.inference.predictor import segment
from threedcseg.inference.settings import PUBLISHED
from threedcseg.models import load_network
from threedcseg.models.conversion import encoders
from threedcseg.models.registry import ENCODERS

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def golden(shared):
    return shared / "golden"


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("bridge_c3d", {"bridge": "c3d"}),
        ("bridge_nl3d", {"bridge": "nl3d"}),
        ("bridge_aspp", {"bridge": "aspp3d"}),
        ("encoder_ip", {"encoder": "ip-csn-152-padded"}),
        ("encoder_csn50", {"encoder": "ir-csn-50"}),
        ("refine_simple", {"refinement": "simple"}),
    ],
)
def test_networks(golden, file, options):
    expected = load(golden / f"{file}.npz")
    network = published_network(**options)
    clip = clip_of(expected["frames"])
    logits = torch.from_numpy(expected["logits"])
    with torch.inference_mode():
        features = network.encoder((clip - network.mean) / network.std)
        # The published network gives ip-CSN's 12 frames out for 8 in; ours resizes to the clip.
        found = F.interpolate(network.decoder(features), logits.shape[1:], mode="trilinear")[0]
    for scale, feature in enumerate(features, start=2):
        first = torch.from_numpy(expected[f"r{scale}_first_channels"])
        assert (feature[0, :16] - first).abs().max() < TOLERANCE
    assert (found.softmax(0) - logits.softmax(0)).abs().max() < TOLERANCE
    assert (found - logits).abs().max() < TOLERANCE


@pytest.fixture(scope="module")
def official_checkpoint(golden, tmp_path_factory):
    """A file in the layout of the published checkpoint, in the wrapping of its training script."""
    shapes = json.loads((golden / "official_state_dict_keys.json").read_text())
    state = {}
    for name, shape in shapes.items():
        once = name.replace("encoder.resnet.", "encoder.")
        state[f"module.{name}"] = state.get(f"module.{once}", drawn(once, tuple(shape)))
    for name in shapes:  # one tensor under two names, as in the published file
        once = name.replace("encoder.resnet.", "encoder.")
        if once in shapes:
            state[f"module.{name}"] = state[f"module.{once}"]
    state["module.encoder.mean"] = torch.tensor(MEAN).view(1, 3, 1, 1, 1)
    state["module.encoder.std"] = torch.tensor(STD).view(1, 3, 1, 1, 1)
    path = tmp_path_factory.mktemp("official") / "bmvc_final.pth"
    torch.save({"epoch": 3, "iter": 7, "model": state, "optimizer": {"state": {}}}, path)
    return path


@pytest.fixture(scope="module")
def official(official_checkpoint):
    return load_network("3dc-seg", official_checkpoint)[0]


def test_the_papers_network_from_the_published_file(golden, official):
    expected = load(golden / "paper.npz")
    with torch.inference_mode():
        found = official(clip_of(expected["frames"]))[0]
    logits = torch.from_numpy(expected["logits"])
    assert (found.softmax(0) - logits.softmax(0)).abs().max() < TOLERANCE


@pytest.mark.parametrize(
    ("mode", "overlap"), [("overlap3", 3), pytest.param("dense", 7, marks=pytest.mark.slow)]
)
def test_a_stitched_sequence(golden, official, mode, overlap):
    expected = load(golden / "sequence.npz")
    settings = replace(PUBLISHED, overlap=overlap, short_edge=64)
    found = np.stack([map_ for _, map_ in segment(expected["frames"], official, settings)])
    assert np.abs(found - expected[f"prob_{mode}"]).max() < TOLERANCE


@pytest.mark.parametrize(
    ("file", "name", "layout", "prefix", "normalisation"),
    [
        ("encoder_r2plus1d_34", "r2plus1d-34", encoders.R2PLUS1D, "stage", ((0.45,) * 3, STD)),
        ("encoder_resnet101", "resnet-101", encoders.RESNET_2D, "layer", encoders.IMAGENET),
        (
            "encoder_resnet101_dilated8",
            "resnet-101-dilated",
            encoders.RESNET_2D,
            "layer",
            encoders.IMAGENET,
        ),
    ],
)
def test_encoders(golden, file, name, layout, prefix, normalisation):
    expected = load(golden / f"{file}.npz")
    encoder = ENCODERS.build(name)
    draw_into(encoder, layout.names(encoder.state_dict()))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1, 1) for values in normalisation)
    clip = (clip_of(expected["frames"]) - mean) / std
    with torch.inference_mode():
        features = encoder(clip)
    for stage, feature in enumerate(features, start=1):
        first = torch.from_numpy(expected[f"{prefix}{stage}_first_channels"])
        if prefix == "layer":  # these have frames first
            first = first.transpose(0, 1)
        assert (feature[0, :16] - first).abs().max() < TOLERANCE


def test_every_published_key_of_r2plus1d_has_a_name(golden):
    shapes = json.loads((golden / "r2plus1d_34_state_dict_keys.json").read_text())
    own = ENCODERS.build("r2plus1d-34").state_dict()
    named = {name: list(own[key].shape) for key, name in encoders.R2PLUS1D.names(own).items()}
    assert named == {name: shape for name, shape in shapes.items() if not name.startswith("fc.")}
