import os
import pickle

import pytest
import torch

from threedcseg.cli.main import main
from threedcseg.models.conversion import encoders as layouts
from threedcseg.models.meta import on_meta
from threedcseg.models.registry import ENCODERS
from threedcseg.models.weights import load_weights


@pytest.fixture
def checkpoint(tmp_path):
    """An ir-CSN-50 in the layout of MMAction2, with its classifier."""
    layout = layouts.MMACTION_REDUCED
    with on_meta():
        own = ENCODERS.build("ir-csn-50").state_dict()
    state = {name: torch.ones(()).expand(own[key].shape) for key, name in layout.names(own).items()}
    state["cls_head.fc_cls.weight"] = torch.ones(400, 2048)
    path = tmp_path / "ircsn.pth"
    torch.save({"state_dict": state, "meta": {"epoch": 3}}, path)
    return path


@pytest.fixture
def refused(capsys):
    def run(*arguments):
        assert main(["convert", *map(str, arguments)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        return err

    return run


def test_what_was_kept_and_what_was_left_out_is_told(checkpoint, tmp_path, capsys):
    output = tmp_path / "encoder.safetensors"
    assert main(["convert", str(checkpoint), "-o", str(output)]) == 0
    out = capsys.readouterr().out
    assert "left out 1 (training state): meta" in out
    assert "left out 1 (classifier): cls_head.fc_cls.weight" in out
    assert "encoder ir-csn-50: 318 tensors of ir-CSN, MMAction2 kept" in out
    assert "licence of the source: Apache-2.0" in out
    state, metadata = load_weights(output)
    assert len(state) == 318
    assert metadata["source"]["file"] == "ircsn.pth"
    assert metadata["clip_length"] == 32


def test_half(checkpoint, tmp_path):
    sizes = []
    for options in ([], ["--half"]):
        output = tmp_path / f"{len(options)}.safetensors"
        assert main(["convert", str(checkpoint), "-o", str(output), *options]) == 0
        sizes.append(output.stat().st_size)
    assert sizes[1] < 0.52 * sizes[0]


def test_bad_input_is_told_in_one_line(checkpoint, tmp_path, refused):
    output = tmp_path / "out.safetensors"
    assert "must end in .safetensors" in refused(checkpoint, "-o", tmp_path / "out.pth")
    assert "no folder" in refused(checkpoint, "-o", tmp_path / "none" / "out.safetensors")
    assert "no such file" in refused(tmp_path / "none.pth", "-o", output)
    checkpoint.write_bytes(checkpoint.read_bytes()[:10_000])
    assert "damaged" in refused(checkpoint, "-o", output)
    assert not output.exists()


class Shell:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("write", [torch.save, lambda x, f: f.write_bytes(pickle.dumps(x))])
def test_a_file_that_runs_code_is_refused(write, tmp_path, refused):
    witness, source = tmp_path / "ran", tmp_path / "weights"
    write({"conv1_w": Shell(f"touch {witness}")}, source)
    assert "refused" in refused(source, "-o", tmp_path / "out.safetensors")
    assert not witness.exists()
