"""Every command and snippet that the README and the docs show is one that works.

The quick tests see that all of them are understood. The slow ones run them, page by page, in a
small folder that has what the pages presuppose; `ONLY_UNDERSTOOD` names those that are not run.
"""

import argparse
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from made_workshop import ROOT, fill_workshop, make_workshop

from threedcseg.cli.main import COMMANDS, build_parser, main
from threedcseg.datasets.registry import KINDS
from threedcseg.outputs.formats import FORMATS

CARDS = sorted((ROOT / "src" / "threedcseg" / "models" / "cards").glob("*.md"))
OTHERS = [
    ROOT / f"{name}.md"
    for name in ("README", "CONTRIBUTING", "DEVIATIONS", "CHANGELOG", "SECURITY")
]
PAGES = [*OTHERS, *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples" / "README.md", *CARDS]
SHELL = ("sh", "bash", "console")
LANGUAGES = {*SHELL, "python", "text", "yaml", "json"}
SCRIPTS = ("benchmarks", "docs", "examples")

ONLY_UNDERSTOOD = {
    r"pip install .*": "installs packages; that its extras exist is tested",
    r"make .*": "makes environments, trains; that the targets exist is tested",
    r"git clone .*": "fetches the sources",
    r"python .*": "measures for minutes or draws what is kept; that its arguments are understood "
    "is tested",
    r"ATEN_CPU_CAPABILITY=.*": "measures for minutes, as an older processor would",
    r"torchrun .*": "starts processes for days; tests/training/test_distributed.py starts some",
    r"3dcseg train (?!.*--dry-run).*": "trains for hours; tests/training trains small networks",
    r"3dcseg train .*recipes/paper/.*": "needs COCO, YouTube-VOS; tests/training/test_dry_run.py",
    r"3dcseg ablate (?!.*--dry-run).*": "trains for an hour or days; tests/cli/test_ablate.py",
    r"3dcseg demo.*": "serves until it is stopped; tests/cli/test_demo.py",
    r"3dcseg segment (camera|rtsp|udp|tcp|http)\S*:.*": "needs a camera or a stream; "
    "tests/cli/test_segment_live.py",
    r".*\| ?3dcseg segment - .*": "ends only with the players' windows; "
    "tests/cli/test_segment_live.py",
    r"3dcseg segment .*--ray.*": "starts a cluster; tests/cli/test_segment_ray.py",
    r"3dcseg export compact -o compact\.onnx": "takes a minute; run once for all pages",
    r"3dcseg export .*\.xml": "takes a minute; tests/runtimes/test_exported.py",
    r"3dcseg export .*--quantize.*": "calibrates for a minute; tests/runtimes/test_quantize.py",
    r"3dcseg \w+ .*compact-int8\.onnx.*": "needs what the line before would have made; "
    "tests/runtimes/test_quantize.py",
    r"3dcseg convert .*": "needs published files of hundreds of MB; tests/cli/test_convert.py",
    r"3dcseg \w+ .*(official\.safetensors|bmvc_final\.pth).*": "needs the authors' weights; "
    "tests/models/test_golden.py",
    r"3dcseg benchmark.*": "measures for minutes; tests/cli/test_benchmark.py",
}
IN_SHELL = {"mkdir", "ln", "cp"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, or a line of such a block that is a command."""

    page: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.text.splitlines()[0]}"

    @property
    def reason(self) -> str | None:
        """Why this command is not run, if it is not."""
        found = (why for line, why in ONLY_UNDERSTOOD.items() if re.fullmatch(line, self.text))
        return next(found, None)


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, those of commands line by line."""
    for language, text in re.findall(r"^ *```(\w*)\n(.*?)^ *```$", page.read_text(), re.S | re.M):
        lines = text.replace("\\\n", " ").splitlines()
        if language == "text":  # of which some show commands
            lines = [line for line in lines if re.search(r"^3dcseg |\| 3dcseg ", line)]
        elif language not in SHELL:
            yield Block(page, language, text)
            continue
        for line in lines:
            words = shlex.split(line, comments=True)
            if words:
                bare = re.sub(r"\s+#\s.*", "", line.strip().removeprefix("$ "))
                yield Block(page, "sh", re.sub(r"\s+", " ", bare))


BLOCKS = [block for page in PAGES for block in blocks(page)]
LINES = sorted({block.text: block for block in BLOCKS if block.language == "sh"}.values(), key=str)


def parts(line: str) -> Iterator[list[str]]:
    """The commands of a line that joins several by pipes and the like, without assignments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("|&;"):
            yield words
            words = []
        elif words or not re.match(r"\w+=", word):
            words.append(word)


class Understood(Exception):
    """Raised in place of doing what was understood."""


def understand_script(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a script as far as its arguments are parsed; one without a parser is compiled."""
    path = ROOT / words[0]
    assert path.is_file(), f"{words[0]} does not exist"
    if "ArgumentParser" not in path.read_text():
        compile(path.read_text(), str(path), "exec")
        return
    parse = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser, *args: object) -> None:
        parse(parser, words[1:])
        raise Understood

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    monkeypatch.setattr(sys, "path", [str(path.parent), *sys.path])
    with pytest.raises(Understood):
        runpy.run_path(str(path), run_name="__main__")


def extras() -> set[str]:
    return set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    )


@pytest.mark.parametrize("block", LINES, ids=str)
def test_shown_commands_are_understood(block, monkeypatch):
    for program, *words in parts(block.text):
        if program == "torchrun":
            program, *words = words[words.index("--no-python") + 1 :]
        if program == "3dcseg":
            if words not in (["--help"], ["--version"]):
                build_parser(words[0]).parse_args(words)
        elif program == "python":
            understand_script(words, monkeypatch)
        elif program == "make":
            makefile = (ROOT / "Makefile").read_text()
            assert all(re.search(rf"^{word}:", makefile, re.M) for word in words)
        elif program == "pip":
            named = {name for word in words for name in re.findall(r"\[(.*)\]", word)}
            assert {name for names in named for name in names.split(",")} <= extras()
        else:
            assert program in IN_SHELL | {"git", "cd", "ffmpeg", "ffplay"}, f"{program}: unknown"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_are_whole(page):
    """Fences name their language, commands stand in them, and links lead to files."""
    text = page.read_text()
    fences = re.findall(r"^ *```(.*)$", text, re.M)
    assert len(fences) % 2 == 0
    assert set(fences[::2]) <= LANGUAGES and set(fences[1::2]) <= {""}
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.S | re.M)
    if page.parent.name not in ("examples", "cards"):
        assert re.findall(r"^ {4,}(?:3dcseg|python|pip|make) .*", prose, re.M) == []
    targets = re.findall(r"\]\(([^)#\s]+)", re.sub(r"`[^`]*`", "", prose))
    local = [target for target in targets if not re.match(r"\w+:", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []
    for words in re.findall(r"`(3dcseg [^`]*|--[^`]+)`", prose):
        check_options(words.split())


def test_what_is_promised_names_tests_that_there_are():
    text = (ROOT / "docs" / "reliability.md").read_text().partition("| fault |")[2]
    rows = re.findall(r"^\| (.*) \|$", text, re.M)
    rows = [row for row in rows if not row.startswith(("fault |", "---"))]
    assert len(rows) > 10
    for row in rows:
        tests = re.findall(r"`(tests/[^`]*)`", row)
        assert tests and all((ROOT / test).exists() for test in tests), row


def check_options(words: list[str]) -> None:
    """Inline code: its command exists and has its options; of options alone, some command has."""
    names = [words[1]] if words[0] == "3dcseg" and len(words) > 1 else list(COMMANDS)
    if names[0].startswith("-"):
        return
    assert set(names) <= set(COMMANDS), " ".join(words)
    known = set().union(*map(options_of, names))
    places = (ROOT / folder for folder in ("benchmarks", "recipes"))
    scripts = "".join(path.read_text() for place in places for path in place.glob("*.py"))
    for word in words:
        option = word.partition("=")[0].strip(".,")
        if option.startswith("--") and option not in ("--help", "--version"):
            assert option in known or f'"{option}"' in scripts, f"no command has {option}"


def options_of(command: str) -> set[str]:
    return options_in(children(build_parser(command))[command])


def options_in(parser: argparse.ArgumentParser) -> set[str]:
    own = {option for action in parser._actions for option in action.option_strings}
    return own.union(*(options_in(child) for child in children(parser).values()))


def children(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    subs = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {name: child for action in subs for name, child in action.choices.items()}


def test_exceptions_are_needed_and_have_reasons():
    for line, why in ONLY_UNDERSTOOD.items():
        assert len(why) > 10
        if "--ray" not in line and "git" not in line:
            assert any(re.fullmatch(line, block.text) for block in LINES), f"{line}: in no page"
        for named in re.findall(r"tests/\S+?(?=[;,]|$)", why):
            assert (ROOT / named).exists(), f"{named} does not exist"


def test_every_figure_of_speed_and_quality_in_the_readme_is_in_the_model_card():
    """So that newer weights do not leave the first page behind."""
    card = (ROOT / "src" / "threedcseg" / "models" / "cards" / "compact.md").read_text()
    (row,) = re.findall(r"^\| this, `compact` \|(.*)\|$", (ROOT / "README.md").read_text(), re.M)
    quality, parameters, *_ = (cell.strip() for cell in row.split("|"))
    assert f"**{quality}**" in card
    assert parameters in card


def test_nothing_names_data_that_only_we_have():
    """DAVIS, as it is downloaded, and `data` are what pages, recipes and benchmarks go by."""
    places = [*PAGES, *(ROOT / "recipes").rglob("*.yaml")]
    places += [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "docs").glob("*.py")]
    assert [path.name for path in places if "shared/data" in path.read_text()] == []


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == project["version"]
    assert citation["references"][0]["year"] == 2020


@pytest.fixture(scope="module")
def filled(shared, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("workshop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(make_workshop(folder, shared))
        fill_workshop()
    return folder


@pytest.fixture
def workshop(filled, tmp_path, monkeypatch) -> Path:
    """A fresh copy of the workshop, as the working folder."""
    subprocess.run(["cp", "-a", f"{filled}/.", tmp_path], check=True)
    monkeypatch.chdir(tmp_path / "repository")
    return tmp_path / "repository"


@pytest.fixture(scope="module")
def exported(one_trace, tmp_path_factory) -> Path:
    """What the pages' `3dcseg export compact -o compact.onnx` writes."""
    pytest.importorskip("openvino", reason="needs the extra openvino")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("exported"))
        run("3dcseg export compact -o compact.onnx")
        return Path("compact.onnx").resolve()


def has_something_to_run(page: Path) -> bool:
    return any(
        block.language == "python" or (block.language == "sh" and block.reason is None)
        for block in blocks(page)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", list(filter(has_something_to_run, PAGES)), ids=lambda page: str(page.relative_to(ROOT))
)
def test_shown_commands_and_snippets_run(page, workshop, request):
    """In their order on the page; the snippets of a page share their names."""
    if any("--model compact.onnx" in block.text for block in blocks(page)):
        (workshop / "compact.onnx").symlink_to(request.getfixturevalue("exported"))
    if any(re.search(r"segment .*-o masks\b", block.text) for block in blocks(page)):
        shutil.rmtree(workshop / "masks")  # of another dog
    kinds, formats = dict(KINDS), dict(FORMATS)
    names: dict = {"frames": [np.zeros((48, 64, 3), np.uint8)] * 3}
    try:
        for block in blocks(page):
            if block.language == "python":
                exec(compile(block.text, str(block), "exec"), names)
            elif block.language == "sh" and block.reason is None:
                run(block.text)
    finally:
        KINDS.clear()
        KINDS.update(kinds)
        FORMATS.clear()
        FORMATS.update(formats)


def run(line: str) -> None:
    """A line of a page in the working folder, as a shell would."""
    commands = list(parts(line))
    if len(commands) == 1 and commands[0][0] == "3dcseg":
        words = commands[0][1:]
        try:
            status = main(words)
        except SystemExit as end:  # --help
            status = end.code or 0
        assert status == 0, f"status {status}: {line}"
    else:
        assert {words[0] for words in commands} <= IN_SHELL, f"neither run nor excepted: {line}"
        subprocess.run(["bash", "-ec", line], check=True)


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (
        "threedcseg.inference.predictor.segment" in (tmp_path / "site/api/index.html").read_text()
    )
