import dataclasses

import cv2
import numpy as np
import pytest
import torch
from tiny_recipes import network, recipe, train_tiny

from threedcseg.errors import InputError
from threedcseg.models.network import SegmentationNetwork
from threedcseg.training.clips.sources import stage_clips
from threedcseg.training.recipe import Source


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_checkpoint(tiny_data, tmp_path):
    model = network()

    def poison(record):
        if record["step"] == 4:
            with torch.no_grad():
                model.decoder.head.conv.weight.fill_(float("nan"))

    with pytest.raises(InputError, match="loss is nan at step 4 of stage 'motion'") as error:
        train_tiny(recipe(tiny_data), model, tmp_path, log=poison)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4
    clips = stage_clips(recipe(tiny_data), recipe(tiny_data).stages[1], seed=1)
    for number in (0, 1):  # both clips of the batch: the fault is the network's
        assert f"a clip of {', '.join(clips[number][2])}" in str(error.value)
    assert str(tmp_path / "checkpoint.pt") in str(error.value)


class Brightest(SegmentationNetwork):
    """Has no finite logits for clips as bright as those of a given source."""

    def forward(self, clip, context=0):
        logits = super().forward(clip, context)
        return logits / (clip.mean(dim=(1, 2, 3, 4), keepdim=True) < 0.9)


def test_the_one_clip_that_is_at_fault_is_named(tiny_data, tmp_path):
    white = tmp_path / "white"
    for kind, value in (("images", 255), ("masks", 255)):
        (white / kind).mkdir(parents=True)
        cv2.imwrite(str(white / kind / "only.png"), np.full((48, 80), value, np.uint8))
    stage = recipe(tiny_data).stages[0]
    dull = dataclasses.replace(stage.augmentation, brightness=0, contrast=0, gray=0, saturation=0)
    sources = (stage.sources[0], Source("stills", str(white), weight=0.2))
    stage = dataclasses.replace(stage, sources=sources, steps=50, augmentation=dull)
    model = network()
    model.__class__ = Brightest
    with pytest.raises(InputError, match="loss is nan") as error:
        train_tiny(recipe(tiny_data, stages=(stage,)), model, tmp_path / "run")
    assert str(white / "images" / "only.png") in str(error.value)
    assert str(tiny_data) not in str(error.value)
