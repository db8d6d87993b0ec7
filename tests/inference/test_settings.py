"""Declarations of settings: what they take, and what overrules what."""

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest

from threedcseg.errors import InputError
from threedcseg.inference.settings import LIVE, PUBLISHED, Settings, declaration


def test_each_field_is_declared_and_its_default_can_be_used():
    Settings().check(), PUBLISHED.check(), LIVE.check()
    for each in fields(Settings):
        kind, choices, option = declaration(each.name)
        assert each.default is None or isinstance(each.default, kind)
        assert not choices or each.default in choices
        assert option.help or each.name in ("multiple", "pad")


@pytest.mark.parametrize(
    ("values", "needle"),
    [
        ({"clip_length": 0}, "clip length 0 cannot be used: give 1 to 1024 frames"),
        ({"clip_length": 8.0}, "clip length 8.0 cannot be used"),
        ({"overlap": 8}, "overlap 8 does not fit clips of 8 frames: give a number from 0 to 7"),
        ({"stride": True}, "stride True cannot be used"),
        ({"tta": 5}, "give 1 to 4 views"),
        ({"short_edge": 15}, "give 16 to 4096 pixels"),
        ({"median": 4}, "give an odd number, 1 to 31 frames"),
        ({"tail": "cut"}, "choose one of shift, repeat-first"),
        ({"shots": "yes"}, "give true or false"),
        ({"threshold": 1.0}, "give 0 or more, below 1"),
        ({"threshold": float("nan")}, "give 0 or more, below 1"),
        ({"threshold": None}, "give 0 or more, below 1"),
    ],
)
def test_values_that_cannot_work(values, needle):
    with pytest.raises(InputError) as caught:
        Settings(**values).check()
    assert needle in str(caught.value)


def test_what_is_given_overrules_a_preset_and_that_the_network():
    network = SimpleNamespace(recommended={"clip_length": 16, "tta": 2, "stride": 3})
    assert Settings.recommended_by(object()) == Settings()
    found = Settings.recommended_by(network, "published", stride=2)
    assert found == replace(PUBLISHED, clip_length=16, tta=1, stride=2)


def test_a_mask_is_above_the_threshold_not_at_it():
    at, above = np.float32(0.75), np.nextafter(np.float32(0.75), np.float32(1))
    assert Settings(threshold=0.75).mask(np.array([[0, at, above]])).tolist() == [[0, 0, 1]]


def test_clips_shorter_than_an_overlap_nobody_gave_get_what_fits():
    network = SimpleNamespace(recommended={"clip_length": 2})
    assert Settings.recommended_by(network, "published").overlap == 1
    with pytest.raises(InputError, match="overlap 3 does not fit"):
        Settings.recommended_by(network, "published", overlap=3)


def test_a_file_that_recommends_nonsense_is_refused():
    with pytest.raises(InputError, match="clip length 'long' cannot be used"):
        Settings.recommended_by(SimpleNamespace(recommended={"clip_length": "long"}))
