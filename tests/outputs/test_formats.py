"""`3dcseg segment --write`: what is asked for is checked first, and a format is one file."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_package import package_with
from made_videos import gray_frames, write_video

from threedcseg.cli.main import main
from threedcseg.errors import InputError
from threedcseg.outputs.formats import DEFAULT, FORMATS, check_outputs, describe_formats

TOY = '''
"""How large the object is, a line for each frame."""

from contextlib import contextmanager

from threedcseg.atomic import replacing
from threedcseg.outputs.formats import output_format


@output_format("toy", "toy.txt", summary="pixels of the object, a line for each frame")
@contextmanager
def open_toy(path, source, rendering):
    """A table of sizes."""
    with replacing(path) as temporary, temporary.open("w") as file:
        yield lambda result: print(result.frame.name, result.mask.sum(), file=file)
'''

USE = """
import sys
from threedcseg.cli.main import main
from threedcseg.models import create_model
from threedcseg.models.weights import save_weights

save_weights("tiny.safetensors", create_model("compact", width="lite0", channels=8).eval())
words = ["segment", "in.mp4", "-o", "out", "--model", "tiny.safetensors", "--short-edge", "32"]
assert main([*words, "--write", "toy,masks"]) == 0
assert len(open("out/in/toy.txt").read().splitlines()) == 3
print(open("out/in/3dcseg.json").read())
assert main([*words, "--write", "boxes", "--threshold", "0.4"]) == 0
try:
    main(["segment", "--help"])
except SystemExit:
    pass
"""


@pytest.mark.parametrize(
    ("options", "needle"),
    [
        (["--write", "alpha.mp4"], "alpha.mov (ProRes 4444 with alpha, for editors)"),
        (["--write", "masks,alpha"], "alpha.webm (VP9 with alpha, for browsers)"),
        pytest.param(
            ["--write", "alpha-hevc.mov"],
            "no hevc_videotoolbox here",
            marks=pytest.mark.skipif("alpha-hevc.mov" in FORMATS, reason="it can be written here"),
        ),
        (["--write", "video"], "choose from alpha.mov, alpha.webm, boxes"),
        (["--write", ""], "nothing to write"),
        (["--write", "cutout", "--background", "no-such.jpg"], "no-such.jpg"),
    ],
)
def test_what_cannot_be_written_is_told_at_once(tmp_path: Path, capsys, options, needle):
    status = main(["segment", "dog.mp4", "-o", str(tmp_path / "out"), *options])
    lines = capsys.readouterr().err.splitlines()
    assert status == 2 and len(lines) == 1
    assert lines[0].startswith("error: ") and needle in lines[0]
    assert not (tmp_path / "out").exists()


def test_what_is_not_installed_is_told_with_the_extra(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "threedcseg.outputs.formats.find_spec", lambda name: None if "coco" in name else find(name)
    )
    with pytest.raises(InputError, match=r"pycocotools.*pip install 'threedcseg\[coco\]'"):
        check_outputs(["masks", "coco"])
    check_outputs(["masks", "boxes"])


def test_the_help_names_every_format(capsys):
    with pytest.raises(SystemExit):
        main(["segment", "--help"])
    text = capsys.readouterr().out
    assert describe_formats() in text
    for format in FORMATS.values():
        assert f"  {format.name} " in text and format.files[0] in text and format.summary in text
    assert DEFAULT in FORMATS


def test_no_two_formats_own_a_file():
    files = [file for format in FORMATS.values() for file in format.files]
    assert len(set(files)) == len(files)


def test_a_format_is_one_file(tmp_path: Path):
    """The recipe of CONTRIBUTING.md, through the command line: written, recorded, cleared, told."""
    write_video(tmp_path / "in.mp4", gray_frames(3))
    path = package_with(tmp_path / "package", {"outputs/toy.py": TOY})
    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    start = done.stdout.index("{")
    record, _ = json.JSONDecoder().raw_decode(done.stdout[start:])
    assert record["outputs"] == {"toy": ["toy.txt"], "masks": ["*.png"]}
    assert {path.name for path in (tmp_path / "out" / "in").iterdir()} == {
        "boxes.csv",
        "3dcseg.json",
    }
    assert "toy            toy.txt              pixels of the object" in done.stdout
