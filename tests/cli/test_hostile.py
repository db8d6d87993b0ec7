"""Every command with files that mean ill: one line and exit status 2, at once."""

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from threedcseg.cli.main import main
from threedcseg.models import create_model
from threedcseg.models.weights import save_weights

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, devices, links of POSIX")

FILES = {
    "empty": b"",
    "brackets": b"[" * 200_000,
    "no text": b"\xff\xfe\xfa" * 100,
    "zeros": bytes(1000),
    "pickle": b"\x80\x02" + b"(" * 100_000,
    "zip": b"PK\x03\x04" + bytes(100),
}
OTHERS = ("pipe", "device", "loop", "dangling", "folder", "none", "long")
COMMANDS = [
    "segment {} -o out --model tiny.safetensors",
    "segment --manifest {} -o out --model tiny.safetensors",
    "segment good -o out --model {}",
    "segment good -o out --model compact --weights {}",
    "segment good -o out --model tiny.safetensors --write cutout --background {}",
    "segment good -o out --model tiny.safetensors --short-edge 32 --corrected {}",
    "segment good -o {}/out --model tiny.safetensors --short-edge 32",
    "evaluate {} good",
    "evaluate good {}",
    "evaluate --model compact --data {}",
    "report {} -o out",
    "figure {} good -o out.png",
    "train --config {} --dry-run",
    "convert {} -o out.safetensors",
    "average {} -o out.safetensors",
    "average {}:nan -o out.safetensors",
    "export {} -o out.onnx",
    "data check {}",
    "ablate {}",
    "benchmark {}",
]


@pytest.fixture(scope="module")
def there(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    os.mkfifo(folder / "pipe")
    (folder / "device").symlink_to("/dev/zero")
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "folder").mkdir()
    (folder / "good").mkdir()
    save_weights(folder / "tiny.safetensors", create_model("compact", width="lite0", channels=8))
    for number in range(2):
        png = cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1]
        (folder / "good" / f"{number:05d}.png").write_bytes(png.tobytes())
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_input(command, there, monkeypatch, capsys):
    monkeypatch.chdir(there)
    before = {*there.iterdir()} - {there / "out"}
    # A folder, new or there already, is a good place for results.
    names = [*FILES, *OTHERS] if "{}/out" not in command else [*FILES, "pipe", "device", "loop"]
    for name in names:
        given = "a" * 5000 if name == "long" else name
        words = [word.format(given) for word in command.split(" ")]
        assert main(words) == 2, name
        *_, last = (told := capsys.readouterr()).err.splitlines()
        assert last.startswith("error: ") and len(last) < 8100, name  # \x00 for each of 2000
        assert "Traceback" not in told.err, name
    assert {*there.iterdir()} - {there / "out"} == before


@pytest.mark.parametrize(
    "words",
    [
        ["segment", "good", "-o", "out", "--start", "9" * 5000],
        ["segment", "good", "-o", "out", "--keep", "9" * 5000],
        ["segment", "good", "-o", "out", "--keep", ",".join(["9" * 5000] * 2)],
        ["segment", "good", "-o", "out", "--drop", "1,1@#" + "9" * 5000],
        ["segment", "good", "-o", "out", "--short-edge", "9" * 5000],
        ["train", "--config", "good", "--set", "seed=" + "9" * 5000],
        ["x" * 5000],
    ],
)
def test_arguments_without_end(words, capsys):
    assert main(words) == 2
    assert "characters" in capsys.readouterr().err
