"""Recipes that mean ill: one line, soon, and in little memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from threedcseg.errors import InputError
from threedcseg.training.recipe import read_recipe

COMPACT = Path(__file__).parents[2] / "recipes" / "compact.yaml"


def chain(first: str, more: str) -> str:
    return "\n".join([f"a0: &a0 {first}", *(more.format(n, n + 1) for n in range(40))])


RECIPES = {
    "brackets": "a: " + "[" * 5000,
    "closed brackets": "a: " + "[" * 5000 + "]" * 5000,
    "levels": "\n".join(" " * n + "a:" for n in range(300)),
    "digits": "seed: " + "9" * 5000,
    "hexadecimal digits": "seed: 0x" + "f" * 5000,
    "sixties": "seed: 1" + ":10" * 20_000,
    "sixties with a point": "seed: 1" + ":10" * 20_000 + ".5",
    "aliases": chain("[1]", "a{1}: &a{1} [" + ", ".join(["*a{0}"] * 9) + "]"),
    "merges": chain("{x: 1}", "a{1}: &a{1} {{<<: [*a{0}, *a{0}]}}"),
    "a list in itself": "a: &a [*a]",
    "a mapping in itself": "&a {a: *a}",
    "a device": "extends: /dev/zero",
    "no name": 'extends: "a\\0b"',
    "a date for a key": "2001-01-01: 1",
    "no date": "a: 2001-99-99",
    "a list for a key": "? [1]\n: 1",
    "a tuple": "a: !!python/tuple [1]",
    "a call": "a: !!python/object/apply:os.system [echo]",
    "no character": "a: \0",
    "half a character": 'a: "\\ud800"',
    "no list of bytes": "a: !!binary é",
}


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
@pytest.mark.parametrize("text", RECIPES.values(), ids=RECIPES.keys())
def test_what_is_no_recipe(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as told:
        read_recipe(tmp_path / "a.yaml")
    assert len(str(told.value)) < 600


@pytest.mark.parametrize("name", ["stages.0.learning_rate", "weight_decay", "clip_gradient"])
@pytest.mark.parametrize("value", [".inf", ".nan", "-1", "1e999", "9" * 5000, "[" * 500])
def test_rates_that_are_none(name, value):
    with pytest.raises(InputError):
        read_recipe(COMPACT, [f"{name}={value}"])


@pytest.mark.parametrize(
    "name", ["seed", "stages.0.steps", "stages.0.size.0", "stages.0.clip_length", "accumulate"]
)
@pytest.mark.parametrize("value", ["-1", "1.5", "1" + "0" * 30, "[1]", "text"])
def test_counts_that_are_none(name, value):
    with pytest.raises(InputError):
        read_recipe(COMPACT, [f"{name}={value}"])


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
def test_files_that_do_not_end(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"a" * 2**20)
    for path in (Path("/dev/zero"), tmp_path / "fifo", tmp_path / "large"):
        with pytest.raises(InputError, match=r"device|larger"):
            read_recipe(path)


def test_a_long_row_of_recipes(tmp_path):
    for n in range(100):
        (tmp_path / f"{n}.yaml").write_text(f"extends: {n + 1}.yaml")
    with pytest.raises(InputError, match="in a row"):
        read_recipe(tmp_path / "0.yaml")


BOUNDED = """
import resource, sys
from threedcseg.errors import InputError
from threedcseg.training.recipe import read_recipe
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + (256 << 20)
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
try:
    read_recipe(sys.argv[1])
except InputError as error:
    sys.exit("entries" not in str(error))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process as Linux does")
def test_aliases_take_no_memory(tmp_path):
    text = chain("[1]", "  a{1}: &a{1} [" + ", ".join(["*a{0}"] * 9) + "]").replace("a0:", "  a0:")
    (tmp_path / "a.yaml").write_text(f"extends: {COMPACT}\nmodel:\n  name: compact\n{text}")
    done = subprocess.run([sys.executable, "-c", BOUNDED, tmp_path / "a.yaml"], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
