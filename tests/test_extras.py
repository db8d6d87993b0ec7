"""What is said where an optional package is absent."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from threedcseg.errors import InputError
from threedcseg.extras import package
from threedcseg.outputs.formats import FORMATS

ROOT = Path(__file__).parents[1]


def test_what_is_absent_is_told_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    needed = r"a drawing needs matplotlib, .* pip install 'threedcseg\[report\]'"
    with pytest.raises(InputError, match=needed):
        package("matplotlib.figure", "report", "a drawing")


def test_the_extras_exist():
    named = {format.extra for format in FORMATS.values() if format.extra is not None}
    for path in (ROOT / "src").rglob("*.py"):
        call = r'(?:package|not_installed)\([\w."]+, "(\w+)",'
        named |= set(re.findall(call, path.read_text()))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert len(named) >= 4 and named <= project["optional-dependencies"].keys()
