"""Every command and snippet that the README and the docs show is one that works."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from threedcseg.cli.main import build_parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, *languages: str) -> list[str]:
    pattern = rf"^```(?:{'|'.join(languages)})\n(.*?)^```"
    return re.findall(pattern, page.read_text(), re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    lines = [
        line.strip()
        for page in PAGES
        for block in blocks(page, "sh", "bash", "console")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return sorted({line.removeprefix("$ ") for line in lines if re.match(r"(\$ )?3dcseg ", line)})


@pytest.mark.parametrize("line", commands())
def test_shown_commands_are_understood(line):
    words = [word for word in shlex.split(line, comments=True)[1:] if word != "[options]"]
    if "--help" in words:
        return
    build_parser(words[0]).parse_args(words)


def test_make_targets_exist():
    targets = set(re.findall(r"^make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert targets
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_files_that_the_readme_names_are_there():
    text = (ROOT / "README.md").read_text()
    named = set(re.findall(r"\b(?:examples|docs|recipes|benchmarks)/[\w./-]+\.\w+", text))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dog.mp4").write_bytes((ROOT / "examples" / "dog.mp4").read_bytes())
    names: dict = {"frames": [np.zeros((48, 64, 3), np.uint8)] * 3}
    for block in blocks(ROOT / "README.md", "python"):
        exec(block, names)
    assert names["mask"].shape == (48, 64)
    assert len(list((tmp_path / "masks" / "dog").glob("*.png"))) == 60
