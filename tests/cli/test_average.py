import pytest
import torch

from threedcseg.cli.main import main
from threedcseg.models import create_model, load_network
from threedcseg.models.weights import save_weights


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in ("a.safetensors", "b.safetensors", "other.safetensors")]
    for path, channels in zip(paths, (8, 8, 16), strict=True):
        save_weights(path, create_model("compact", width="lite0", channels=channels))
    return [str(path) for path in paths]


def test_the_mean_counts_each_by_its_share(files, tmp_path):
    out = tmp_path / "mean.safetensors"
    assert main(["average", f"{files[0]}:3", files[1], "-o", str(out)]) == 0
    one, other, mean = (load_network(file)[0].state_dict() for file in (*files[:2], out))
    for key, tensor in mean.items():
        if tensor.is_floating_point():
            expected = 0.75 * one[key] + 0.25 * other[key]
            torch.testing.assert_close(tensor, expected, atol=1e-4, rtol=2e-3)  # stored as float16


@pytest.mark.parametrize("share", ["x", "0", "-1", "nan"])
def test_shares_that_are_none(files, tmp_path, capsys, share):
    assert main(["average", f"{files[0]}:{share}", "-o", str(tmp_path / "x.safetensors")]) == 2
    assert "is no share" in capsys.readouterr().err


def test_networks_of_different_kinds_have_no_mean(files, tmp_path, capsys):
    args = ["average", files[0], files[2], "-o", str(tmp_path / "x.safetensors")]
    assert main(args) == 2
    assert "only networks of a kind have a mean" in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()
