import json
import os
import struct

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from threedcseg.errors import InputError
from threedcseg.models import create_model, load_model, load_network
from threedcseg.models.device import pick_device
from threedcseg.models.registry import ENCODERS, MODELS
from threedcseg.models.shipped import CARDS
from threedcseg.models.weights import (
    bn_eps,
    fill,
    load_weights,
    save_weights,
    set_bn_eps,
    write_weights,
)

OPTIONS = {"width": "lite0", "channels": 8}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = create_model("compact", **OPTIONS).eval()
    for parameter in made.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)
    return made


@pytest.fixture
def file(network, tmp_path):
    path = tmp_path / "model.safetensors"
    save_weights(path, network, {"licence": "CC0", "clip_length": 8})
    return path


def test_a_file_rebuilds_its_network(network, file):
    loaded = load_network(str(file))[0]
    assert (loaded.name, dict(loaded.options), loaded.training) == ("compact", OPTIONS, False)
    assert all(
        torch.equal(a, b)
        for a, b in zip(network.state_dict().values(), loaded.state_dict().values(), strict=True)
    )
    clip = torch.rand(1, 3, 2, 32, 48)
    with torch.no_grad():
        assert torch.equal(network(clip), loaded(clip))
        prepared = load_model(str(file), device="cpu", precision="float32")
        assert torch.allclose(prepared(clip), loaded(clip), atol=1e-4)


def test_a_loaded_network_can_be_trained_and_saved_again(file, tmp_path):
    loaded = load_network(str(file))[0].train()
    loaded(torch.rand(2, 3, 2, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in loaded.parameters())
    save_weights(tmp_path / "again.safetensors", loaded)
    assert load_weights(tmp_path / "again.safetensors")[1]["options"] == OPTIONS


def test_the_header_says_what_it_is(network, file):
    _, metadata = load_weights(file)
    assert metadata == {
        "model": "compact",
        "options": OPTIONS,
        "mean": network.mean.flatten().tolist(),
        "std": network.std.flatten().tolist(),
        "bn_eps": 1e-3,
        "licence": "CC0",
        "clip_length": 8,
    }


def test_half_is_half_the_size_and_close(network, file, tmp_path):
    path = tmp_path / "half.safetensors"
    save_weights(path, network, half=True)
    assert path.stat().st_size < 0.6 * file.stat().st_size
    with safe_open(path, "pt") as stored:
        kinds = {stored.get_tensor(key).dtype for key in stored.keys()}  # noqa: SIM118
    assert torch.float16 in kinds
    state, _ = load_weights(path)
    for key, tensor in network.state_dict().items():
        assert state[key].dtype == tensor.dtype
        if tensor.dim() < 2 or not key.endswith(".weight"):
            assert torch.equal(state[key], tensor)  # norms and biases stay exact
        else:
            assert torch.allclose(state[key], tensor, rtol=1e-3, atol=1e-6)


def test_what_float16_cannot_hold_stays_float32(tmp_path):
    state = {"a.weight": torch.tensor([[1e6, 1.0]]), "b.weight": torch.ones(1, 2)}
    write_weights(tmp_path / "x.safetensors", state, {"encoder": "none"}, half=True)
    assert torch.equal(load_weights(tmp_path / "x.safetensors")[0]["a.weight"], state["a.weight"])


def test_a_failed_write_leaves_the_old_file_and_no_other(file, network, monkeypatch):
    before = file.read_bytes()

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        save_weights(file, network)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_the_file_has_the_rights_of_any_new_file(file, tmp_path):
    other = tmp_path / "other"
    other.touch()
    assert file.stat().st_mode == other.stat().st_mode


def test_only_a_named_network_is_saved(tmp_path, network):
    anonymous = create_model("compact", **OPTIONS)
    anonymous.name = None
    with pytest.raises(ValueError, match="create_model"):
        save_weights(tmp_path / "x.safetensors", anonymous)


def refuse(needle, *args, **kwargs):
    with pytest.raises(InputError, match=needle) as caught:
        load_model(*args, **kwargs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [0, 4, 100, -1])
def test_damaged_files(file, cut):
    whole = file.read_bytes()
    file.write_bytes(whole[:cut])
    refuse("damaged", str(file), "cpu")


def test_a_header_that_lies(file):
    whole = file.read_bytes()
    file.write_bytes(struct.pack("<Q", 1 << 60) + whole[8:])
    refuse("damaged", str(file), "cpu")


@pytest.mark.parametrize(
    "header",
    [None, *({"3dcseg": text} for text in ("{", "[]", "{}", '{"model": 1}', '{"options": 1}'))],
)
def test_files_of_others(tmp_path, header):
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.ones(2)}, path, header)
    refuse("damaged|does not say", str(path), "cpu")


def test_weights_of_another_network_name_the_keys(file, network):
    state, metadata = load_weights(file)
    state["extra.weight"] = torch.ones(1)
    state["decoder.head.conv.weight"] = torch.ones(3, 8, 3, 3)
    del state["encoder.stem.0.weight"]
    write_weights(file, state, metadata)
    with pytest.raises(InputError) as caught:
        load_network(str(file))
    message = str(caught.value)
    assert "1 tensor (encoder.stem.0.weight) missing" in message
    assert "1 tensor (extra.weight) unexpected" in message
    assert "decoder.head.conv.weight (3, 8, 3, 3) instead of (1, 8, 3, 3)" in message


def test_weights_of_another_model(file):
    refuse("weights of the model 'compact', not '3dc-seg'", "3dc-seg", "cpu", weights=file)


def test_an_encoder_is_no_network(tmp_path):
    path = tmp_path / "encoder.safetensors"
    write_weights(path, {"a": torch.ones(1)}, {"encoder": "ir-csn-152"})
    refuse("holds the encoder ir-csn-152 only", str(path), "cpu")


def test_unknown_names_and_missing_files(tmp_path):
    refuse("did you mean compact", "compakt", "cpu")
    refuse("did you mean 3dc-seg", "3dcseg", "cpu", weights=tmp_path / "x.pth")
    refuse("no such file", str(tmp_path / "none.safetensors"), "cpu")
    refuse("no such file", "3dc-seg", "cpu", weights=tmp_path / "none.pth")
    refuse("no weights ship with", "3dc-seg", "cpu")


def test_a_header_with_an_option_of_the_future(file):
    state, metadata = load_weights(file)
    write_weights(file, state, metadata | {"options": {"depth": 3}})
    refuse("no option 'depth'", str(file), "cpu")


def test_fill_is_strict_in_shapes():
    layer = torch.nn.Linear(2, 2)
    with pytest.raises(InputError, match=r"here: .*of another shape"):
        fill(layer, {"weight": torch.ones(3, 2), "bias": torch.ones(2)}, "here")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_gpu_that_is_not_there():
    refuse("'cuda' asked for, 0 CUDA devices", "compact", "cuda")
    assert pick_device("auto").type in ("cpu", "mps")


@pytest.mark.parametrize("name", ["tpu", "cpuu", "", "meta", "cuda:x"])
def test_unknown_devices(name):
    with pytest.raises(InputError, match="unknown device"):
        pick_device(name)


def test_the_epsilon_of_batch_norms():
    encoder = ENCODERS.build("ir-csn-50")
    assert bn_eps(encoder) == 1e-5
    set_bn_eps(encoder, 1e-3)
    assert bn_eps(encoder) == 1e-3
    encoder.stem[1].eps = 1e-5
    with pytest.raises(ValueError, match="several"):
        bn_eps(encoder)


def test_cards_match_their_weights():
    for card in CARDS.glob("*.json"):
        described = json.loads(card.read_text())
        assert {"sha256", "licence"} <= described.keys()
        assert card.with_suffix(".md").is_file()
        loaded = load_network(card.stem)[0]
        assert loaded.name in MODELS


def test_damaged_shipped_weights_are_told(file, monkeypatch, tmp_path):
    cards = tmp_path / "cards"
    cards.mkdir()
    file.rename(cards / "compact.safetensors")
    (cards / "compact.json").write_text(json.dumps({"sha256": "0" * 64, "licence": "CC0"}))
    monkeypatch.setattr("threedcseg.models.shipped.CARDS", cards)
    refuse("install 3dcseg again", "compact", "cpu")


@pytest.mark.parametrize(
    ("header", "needle"),
    [
        ('{"model": "compact", "bn_eps": "small"}', "bn_eps"),
        ('{"model": "compact", "bn_eps": NaN}', "bn_eps"),
        ('{"model": "compact", "mean": [1, 2]}', "mean"),
        ('{"model": "compact", "clip_length": 1000000000}', "clip_length"),
        ("[" * 100_000, "damaged"),
        ('{"model": "compact", "options": {"channels": 1e308}}', "channels"),
        ('{"model": "compact", "options": {"width": ["lite1"]}}', "width"),
    ],
)
def test_hostile_headers(file, header, needle):
    state, _ = load_weights(file)
    save_file(state, file, {"3dcseg": header})
    refuse(needle, str(file), "cpu")


def test_tensors_of_another_type(file):
    state, metadata = load_weights(file)
    state["decoder.head.conv.weight"] = state["decoder.head.conv.weight"].to(torch.int64)
    write_weights(file, state, metadata)
    refuse("torch.int64 instead of torch.float32.* of another type", str(file), "cpu")
