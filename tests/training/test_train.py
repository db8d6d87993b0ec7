import json
import shutil

import pytest
import torch
from tiny_recipes import recipe

from threedcseg.cli.main import main
from threedcseg.errors import InputError
from threedcseg.models import create_model, load_network
from threedcseg.models.weights import load_weights, save_weights, write_weights
from threedcseg.training.recipe import InitialWeights
from threedcseg.training.train import build_network, load_initial_weights

RECIPE = """
model: {name: compact, width: lite0, channels: 8}
imagenet: false
moving_average: 0.5
validation: {root: davis, every: 2, settings: {short_edge: 32}}
stages:
  - name: motion
    sources: [{kind: davis16, root: davis}]
    clip_length: 2
    size: [32, 64]
    batch_size: 1
    steps: 3
    learning_rate: 1.0e-3
"""


@pytest.fixture
def train(tiny_data, tmp_path):
    """Run `3dcseg train` on a copy of the tiny data; returns the status."""
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    shutil.copytree(tiny_data, tmp_path / "data")

    def run(*options: str) -> int:
        words = ["--config", str(tmp_path / "recipe.yaml"), "--data", str(tmp_path / "data")]
        words += ["-o", str(tmp_path / "run"), "--device", "cpu", "--workers", "0"]
        return main(["train", *words, *options])

    return run


def test_from_a_recipe_to_weights(train, tmp_path):
    assert train("--set", "stages.0.steps=2") == 0
    network, metadata = load_network(str(tmp_path / "run" / "model.safetensors"))
    assert metadata["clip_length"] == 2
    assert json.loads(metadata["recipe"])["stages"][0]["steps"] == 2
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["average"]
    head = state["module.decoder.head.conv.weight"]
    assert torch.allclose(network.decoder.head.conv.weight, head, atol=1e-3)
    log = tmp_path / "run" / "log.jsonl"
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert [r["event"] for r in records] == ["step", "step", "validation"]
    assert 0 <= records[-1]["J&F"] <= 1


@pytest.mark.parametrize(
    ("options", "needle"),
    [
        (["--set", "model.name=compcat"], "unknown model 'compcat'"),
        (["--set", "stages.0.sources.0.kind=cocoo"], "did you mean 'coco'"),
        (["--set", "stages.0.sources.0.split=none"], "none.txt"),
        (["--set", "validation.split=none"], "none.txt"),
        (["--device", "cuda:9"], "cuda:9"),
        (["--set", "imagenet=true", "--set", "initial_weights.network=x"], "keep one of them"),
        (["--set", "initial_weights.encoder=x.safetensors"], "x.safetensors: no such file"),
        (["--workers", "-1"], "--workers -1"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(train, tmp_path, capsys, options, needle):
    assert train(*options) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and needle in error


def test_a_mask_of_another_size_is_named(train, tmp_path, capsys):
    stills = tmp_path / "data" / "stills"
    for mask in (stills / "masks").iterdir():
        shutil.copy(next((tmp_path / "data").glob("davis/Annotations/480p/left/*.png")), mask)
    import cv2

    for image in (stills / "images").iterdir():
        cv2.imwrite(str(image), cv2.resize(cv2.imread(str(image)), (33, 47)))
    assert train("--set", "stages.0.sources=[{kind: stills, root: stills}]") == 2
    error = capsys.readouterr().err
    assert "the mask is 80x48" in error and str(stills / "masks") in error


def test_the_encoder_starts_from_a_file(tiny_data, tmp_path):
    torch.manual_seed(1)
    other = create_model("compact", width="lite0", channels=16)
    whole, alone = tmp_path / "whole.safetensors", tmp_path / "encoder.safetensors"
    save_weights(whole, other)
    mean = [0.4, 0.5, 0.6]
    header = {"encoder": "compact", "mean": mean, "std": [1.0] * 3, "bn_eps": 1e-5}
    write_weights(alone, other.encoder.state_dict(), header)
    for path in (whole, alone):
        given = recipe(tiny_data, initial_weights=InitialWeights(encoder=str(path)))
        network = build_network(given)
        load_initial_weights(given, network)
        for name, tensor in network.encoder.state_dict().items():
            assert torch.equal(tensor, other.encoder.state_dict()[name])
    assert network.mean.flatten().tolist() == pytest.approx(mean)
    wrong = recipe(tiny_data, initial_weights=InitialWeights(encoder=str(whole)))
    with pytest.raises(InputError, match="weights of another network"):
        load_initial_weights(wrong, create_model("compact", width="lite1", channels=8))


def test_a_whole_network_starts_from_a_file(tiny_data, tmp_path):
    torch.manual_seed(1)
    path = tmp_path / "whole.safetensors"
    start = create_model("compact", width="lite0", channels=8)
    save_weights(path, start)
    given = recipe(tiny_data, initial_weights=InitialWeights(network=str(path)))
    network = build_network(given)
    load_initial_weights(given, network)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, start.state_dict()[name])
    other = recipe(
        tiny_data,
        model={"name": "compact", "width": "lite0", "channels": 16},
        initial_weights=InitialWeights(network=str(path)),
    )
    with pytest.raises(InputError, match="which is not the recipe's model"):
        load_initial_weights(other, build_network(other))


def test_training_goes_on_from_the_mean_of_several_networks(tiny_data, tmp_path):
    starts = [create_model("compact", width="lite0", channels=8) for _ in range(3)]
    paths = [str(tmp_path / f"{i}.safetensors") for i in range(3)]
    for path, start in zip(paths, starts, strict=True):
        save_weights(path, start)
    given = recipe(tiny_data, initial_weights=InitialWeights(networks=tuple(paths)))
    network = build_network(given)
    load_initial_weights(given, network)
    for name, tensor in network.state_dict().items():
        expected = sum(start.state_dict()[name].double() for start in starts) / 3
        torch.testing.assert_close(tensor.double(), expected, atol=1e-6, rtol=1e-6)
    with pytest.raises(InputError, match="network and networks are given: keep one of them"):
        InitialWeights(network="x", networks=("y",))


def test_not_every_encoder_has_weights_of_imagenet(tiny_data):
    paper = recipe(tiny_data, imagenet=True, model={"name": "3dc-seg", "encoder": "ir-csn-50"})
    with pytest.raises(InputError, match="imagenet: false"):
        load_initial_weights(paper, build_network(paper))


def test_the_tensors_of_a_run_are_halved_in_its_file(train, tmp_path):
    assert train("--set", "stages.0.steps=1", "--set", "validation=null") == 0
    path = tmp_path / "run" / "model.safetensors"
    state, _ = load_weights(path)
    assert path.stat().st_size < 3 * sum(tensor.numel() for tensor in state.values())
