"""Options of `3dcseg segment` and `evaluate --model` that decide a mask, as `Settings`."""

import argparse
import pickle
import shlex
from dataclasses import fields, replace
from types import SimpleNamespace

import pytest

from threedcseg.cli.main import COMMANDS, build_parser, main
from threedcseg.cli.options import ModelChoice, SettingsChoice, add_settings, settings_from
from threedcseg.inference.settings import LIVE, PUBLISHED, Settings, declaration


def parse(*words, network=None):
    parser = argparse.ArgumentParser()
    add_settings(parser)
    return settings_from(parser.parse_args(words)).on(network)


def test_nothing_given_is_the_default():
    assert parse() == Settings()
    assert parse("--preset", "published") == PUBLISHED


def test_each_option_is_a_setting():
    assert parse("--no-shots") == replace(Settings(), shots=False)
    assert parse("--preset", "published", "--shots") == replace(PUBLISHED, shots=True)
    assert parse("--upsampling", "linear") == replace(Settings(), upsampling="linear")
    processed = replace(Settings(), keep_largest=2, drop_specks=0.001, median=5)
    words = "--keep-largest 2 --drop-specks 0.001 --median 5"
    assert parse(*words.split()) == processed


def test_every_setting_with_a_help_text_has_its_option_and_default():
    parser = argparse.ArgumentParser()
    add_settings(parser, leave_out=("threshold",))
    text = " ".join(parser.format_help().split())
    for each in fields(Settings):
        words = declaration(each.name)[2].help
        offered = bool(words) and each.name != "threshold"
        assert (f"--{each.name.replace('_', '-')}" in text) == offered, each.name
        if offered and each.default is not None and not isinstance(each.default, bool):
            assert f"{words} (default: {each.default})" in text


def test_options_overrule_presets_and_these_the_weights():
    network = SimpleNamespace(recommended={"clip_length": 16, "tta": 2, "overlap": 4})
    assert parse(network=network) == replace(Settings(), clip_length=16, tta=2, overlap=4)
    assert parse("--clip-length", "4", network=network).overlap == 3
    dense = parse("--dense", "--preset", "live", network=network)
    assert (dense.clip_length, dense.overlap, dense.stride, dense.tta) == (16, 15, 1, 1)


@pytest.mark.parametrize(
    "words", ["--keep-largest 0", "--drop-specks 1.5", "--median 4", "--median -1"]
)
def test_values_that_cannot_work_are_one_line(words, tmp_path, capsys):
    assert main(["segment", "video.mp4", "-o", str(tmp_path / "out"), *words.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert "give" in error and not (tmp_path / "out").exists()


def test_what_the_options_mean_can_be_sent_to_other_machines():
    model = ModelChoice("compact", device="cpu")
    choice = SettingsChoice("live", {"tta": 2})
    load, on = pickle.loads(pickle.dumps((model.load, choice.on)))
    assert load.__self__ == model
    assert on(None) == replace(LIVE, tta=2)


@pytest.mark.parametrize(
    "words",
    [
        ["segment", "--wrte", "masks"],
        ["segment", "a.mp4", "--edges", "blunt"],
        ["train"],
        ["sgment"],
    ],
)
def test_a_command_line_that_cannot_be_is_one_line(words, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and "--help` lists" in error


@pytest.mark.parametrize("command", COMMANDS)
def test_help_reads_well(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fits a window, and its examples are understood."""
    monkeypatch.setenv("COLUMNS", "100")
    parser = build_parser(command)
    assert parser._subparsers is not None
    (action,) = parser._subparsers._group_actions
    lines = action.choices[command].format_help().splitlines()  # type: ignore[index]
    assert max(map(len, lines)) <= 110
    parts = [part.strip() for line in lines if line[:2] == "  " for part in line.split("|")]
    for example in parts:
        if example.startswith("3dcseg "):
            _, *words = shlex.split(example, comments=True)
            build_parser(words[0]).parse_args(words)
