"""Options of `3dcseg segment` and `evaluate --model` that decide a mask, as `Settings`."""

import argparse
from dataclasses import replace

import pytest

from threedcseg.cli.main import main
from threedcseg.cli.segment import add_settings, settings_from
from threedcseg.inference.settings import PUBLISHED, Settings


def parse(*words):
    parser = argparse.ArgumentParser()
    add_settings(parser)
    return settings_from(parser.parse_args(words))


def test_nothing_given_is_the_default():
    assert parse() == Settings()
    assert parse("--preset", "published") == PUBLISHED


def test_each_option_is_a_setting():
    assert parse("--no-shots") == replace(Settings(), shots=False)
    assert parse("--preset", "published", "--shots") == replace(PUBLISHED, shots=True)
    assert parse("--upsampling", "linear") == replace(Settings(), upsampling="linear")
    cleaning = replace(Settings(), keep_largest=2, drop_specks=0.001, median=5)
    words = "--keep-largest 2 --drop-specks 0.001 --median 5"
    assert parse(*words.split()) == cleaning


@pytest.mark.parametrize(
    "words", ["--keep-largest 0", "--drop-specks 1.5", "--median 4", "--median -1"]
)
def test_values_that_cannot_work_are_one_line(words, tmp_path, capsys):
    assert main(["segment", "video.mp4", "-o", str(tmp_path / "out"), *words.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert "give" in error and not (tmp_path / "out").exists()
