"""The recipe of CONTRIBUTING.md, followed to the letter: an encoder costs one file."""

import json
import os
import subprocess
import sys

import pytest
from made_package import package_with

TOY = '''
"""One strided convolution a map."""

import itertools

from torch import Tensor, nn

from threedcseg.models.encoders.encoder import Encoder
from threedcseg.models.registry import register_encoder


class Toy(Encoder):
    out_channels = (8, 16, 24, 32)
    strides = ((1, 4), (1, 8), (1, 16), (1, 32))
    mean = std = (0.5, 0.5, 0.5)

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList(
            nn.Conv3d(before, after, (3, space + 1, space + 1), (1, space, space), (1, 1, 1))
            for before, after, space in ((3, 8, 4), (8, 16, 2), (16, 24, 2), (24, 32, 2))
        )

    def forward(self, clip: Tensor) -> list[Tensor]:
        maps = itertools.accumulate(self.maps, lambda x, conv: conv(x).relu(), initial=clip)
        return list(maps)[1:]


@register_encoder("toy", weights_licence="CC0-1.0")
def toy() -> Toy:
    """Four convolutions."""
    return Toy()
'''

RECIPE = """
model: {name: 3dc-seg, encoder: toy, bridge: c3d, channels: 16, convolution: separable}
imagenet: false
stages:
  - name: clips
    sources: [{kind: davis16, root: davis}]
    clip_length: 4
    size: [64, 96]
    batch_size: 2
    steps: 2
    learning_rate: 1.0e-3
"""


@pytest.fixture
def command(tmp_path):
    """Runs `3dcseg` of the package with one file more."""
    path = package_with(tmp_path, {"models/encoders/toy.py": TOY})

    def run(*words: str) -> str:
        script = "import sys; from threedcseg.cli.main import main; sys.exit(main(sys.argv[1:]))"
        done = subprocess.run(
            [sys.executable, "-c", script, *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.slow
def test_a_new_encoder_is_one_file(command, tmp_path):
    row = json.loads(command("models", "--json"))["encoder"]["toy"]
    assert row["what"] == "Four convolutions."
    assert row["weights"] == "CC0-1.0"
    weights = 3 * (3 * 8 * 25 + 8 * 16 * 9 + 16 * 24 * 9 + 24 * 32 * 9)
    assert row["conv"] == round((weights + 8 + 16 + 24 + 32) / 1e6, 2)

    recipe = tmp_path / "toy.yaml"
    recipe.write_text(RECIPE)
    told = command("train", "--config", str(recipe), "--dry-run", "--no-data")
    assert "encoder: toy" in told
    assert f"encoder: {(weights + 80) / 1e6:.2f} M parameters" in told

    times = command("benchmark", "--names", "toy", "--size", "64x96", "--repeats", "1")
    assert times.splitlines()[-1].startswith("| toy | encoder |")
