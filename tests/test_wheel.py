"""The wheel, installed in an empty environment and used without a network."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import cv2
import pytest
from patience import PATIENCE

ROOT = Path(__file__).parents[1]
UNREACHABLE = """
import runpy, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise OSError("this process has no network")

sys.addaudithook(refuse)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a script in a Python that cannot connect to anything."""
NAMESPACE = ["unshare", "--map-root-user", "--net"]
"""Runs a command without any network, other than Python's neither; not permitted everywhere."""

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, env=alone
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of what a clone has, so that the working tree is left as it is."""
    pytest.importorskip("setuptools", "70.1", reason="needs setuptools 70.1, which makes wheels")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", source / "src", ignore=leave)
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index")
    run(*pip, "--wheel-dir", folder, source, cwd=folder)
    (made,) = folder.glob("threedcseg-*-py3-none-any.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel) -> Path:
    """A new virtual environment with the wheel, and what it depends on borrowed from this one."""
    folder = wheel.parent / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=wheel.parent)
    (packages,) = folder.glob("lib/python*/site-packages")
    into = ("--python", folder / "bin" / "python", "install", "--no-index", "--no-deps")
    run(sys.executable, "-m", "pip", *into, wheel, cwd=wheel.parent)
    # A path alone, without the `.pth` files there: the editable install of these tests is one.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test_the_wheel_has_all_that_is_read_beside_code(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    beside = [
        path for path in source.glob("threedcseg/*/**/*.*") if "__pycache__" not in path.parts
    ]
    assert {str(path.relative_to(source)) for path in beside if path.is_file()} <= names
    assert any(name.endswith("cards/compact.safetensors") for name in names)


def test_the_wheel_segments_offline_with_the_weights_it_has(environment, tmp_path):
    python = environment / "bin" / "python"
    permitted = shutil.which("unshare") and not subprocess.run([*NAMESPACE, "true"]).returncode
    offline = [*(NAMESPACE if permitted else []), python, "-c", UNREACHABLE]
    shutil.copy(ROOT / "examples" / "dog.mp4", tmp_path)
    script = tmp_path / "where.py"

    script.write_text("import socket; socket.create_connection(('127.0.0.1', 9), 5)")
    reached = subprocess.run([*offline, script], capture_output=True, text=True)
    assert "this process has no network" in reached.stderr
    script.write_text("import threedcseg; print(threedcseg.__file__)")
    assert Path(run(*offline, script, cwd=tmp_path).strip()).is_relative_to(environment)

    command = environment / "bin" / "3dcseg"
    run(*offline, command, "segment", "dog.mp4", "-o", "masks", cwd=tmp_path)
    masks = sorted((tmp_path / "masks" / "dog").glob("*.png"))
    assert [path.stem for path in masks] == [f"{index:05d}" for index in range(60)]
    covered = [(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 0).mean() for path in masks]
    assert all(0.02 < share < 0.3 for share in covered)  # of the frame: the dog
