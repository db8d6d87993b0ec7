"""The import rules of docs/architecture.md, and that every module imports by itself."""

import ast
import graphlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "threedcseg"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def rules() -> dict[str, set[str] | None]:
    """Packages to those that they may import, None for any, from the table of the docs."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = {}
    for row in re.findall(r"^\| `(\w+)` \|.*?\| ([^|]*) \|$", text, re.MULTILINE):
        package, allowed = row
        names = set(re.findall(r"`(\w+)`", allowed)) | {"errors"}
        table[package] = None if allowed == "everything" else names
    return table


def imported(path: Path) -> set[str]:
    """Dotted names that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_the_rules_speak_of_every_package():
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")} | {
        path.stem for path in SOURCE.glob("[!_]*.py")
    }
    assert packages == rules().keys()


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_packages_import_only_what_they_may(path):
    package = dotted(path).split(".")[1]
    allowed = rules()[package]
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("threedcseg.")}
    assert allowed is None or ours - {package} <= allowed


def test_no_package_stands_both_above_and_below_another():
    """What the table allows has no circles: it orders the packages."""
    below = {name: (allowed or set()) - {name} for name, allowed in rules().items()}
    list(graphlib.TopologicalSorter(below).static_order())  # raises CycleError for a circle


@pytest.mark.parametrize(
    "part",
    [
        "metrics",
        "datasets",
        "inference/windows.py",
        "errors.py",
        "cli/main.py",
        "inference/settings.py",
    ],
)
def test_these_import_no_torch(part):
    path = SOURCE / part
    for module in [path] if path.is_file() else path.rglob("*.py"):
        assert not {name for name in imported(module) if name.split(".")[0] == "torch"}


def test_every_module_imports_by_itself():
    """Each as the first of ours: those before it are forgotten, modules of others are not."""
    script = """
import importlib, sys, traceback
failed = []
for name in sys.argv[1:]:
    for other in [other for other in sys.modules if other.split(".")[0] == "threedcseg"]:
        del sys.modules[other]
    try:
        importlib.import_module(name)
    except BaseException:
        traceback.print_exc()
        failed.append(name)
sys.exit(f"cannot be imported alone: {failed}" if failed else 0)
"""
    names = [dotted(path) for path in MODULES]
    done = subprocess.run(
        [sys.executable, "-c", script, *names], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_help_needs_no_torch():
    script = "import sys; from threedcseg.cli.main import main; main([])"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert "3dcseg" in done.stdout
    assert not re.search(r"\| +torch$", done.stderr, re.MULTILINE)
