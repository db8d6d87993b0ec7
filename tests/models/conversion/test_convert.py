"""Published checkpoints of every make, written here and read back.

Each tensor is one number of its own everywhere, stored once, so that full-size checkpoints are
small files and a mix-up of two tensors shows.
"""

import io
import pickle
import pickletools
from dataclasses import replace

import numpy as np
import pytest
import torch

from threedcseg.errors import InputError
from threedcseg.models import create_model, load_encoder, load_network
from threedcseg.models.conversion import convert, encoders, networks
from threedcseg.models.loading import rebuild
from threedcseg.models.meta import on_meta
from threedcseg.models.registry import BRIDGES, ENCODERS
from threedcseg.models.weights import save_weights

TORCH_MAKES = [layout for layout in encoders.ENCODER_LAYOUTS if not layout.caffe2]
CAFFE2_MAKES = [layout for layout in encoders.ENCODER_LAYOUTS if layout.caffe2]


def constants(names: dict[str, str], module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A checkpoint for ``module``: by their names there, tensors that are one number each."""
    own = module.state_dict()
    return {
        name: torch.tensor(float(number)).to(own[key].dtype).expand(own[key].shape)
        for number, (key, name) in enumerate(names.items())
    }


def encoder_of(layout: encoders.EncoderLayout, number: int = 0):
    name = list(layout.encoders.values())[number]
    with on_meta():
        return name, ENCODERS.build(name)


def check(state, names, tensors):
    """Every tensor is where its name says."""
    assert state.keys() == names.keys()
    for key, name in names.items():
        if name in tensors:
            assert state[key].shape == tensors[name].shape
            assert torch.equal(state[key], tensors[name].to(state[key].dtype))
        else:
            assert key.endswith("num_batches_tracked") and not state[key].any()


@pytest.mark.parametrize(
    ("layout", "number"),
    [(layout, number) for layout in TORCH_MAKES for number in range(len(layout.encoders))],
    ids=lambda value: value.kind if isinstance(value, encoders.EncoderLayout) else str(value),
)
def test_pytorch_encoders(layout, number, tmp_path):
    name, encoder = encoder_of(layout, number)
    names = layout.names(encoder.state_dict())
    tensors = constants(names, encoder)
    dropped = {"MMAction2": "cls_head.fc_cls.weight", "DeepLabV3": "aux_classifier.0.weight"}
    classifier = next((v for k, v in dropped.items() if k in layout.kind), "fc.weight")
    path = tmp_path / "backbone.pth"
    torch.save({"state_dict": tensors | {classifier: torch.ones(2, 2)}, "meta": {}}, path)

    converted = convert(path)

    check(converted.state, names, tensors)
    metadata = converted.metadata
    assert metadata["encoder"] == name
    assert metadata["source"]["kind"] == layout.kind
    assert metadata["bn_eps"] == (1e-5 if "2D" in layout.kind else 1e-3)
    assert len(metadata["source"]["sha256"]) == 64
    assert converted.dropped["training state"] == ["meta"]
    assert [classifier] in converted.dropped.values()


def python2_pickle(blobs: dict[str, np.ndarray]) -> bytes:
    """The bytes that Python 2's cPickle wrote for a dict of numpy arrays (protocol 2).

    It had no bytes type: names and data are both 8-bit strings.
    """
    out = io.BytesIO()
    out.write(b"\x80\x02}(")

    def text(value: bytes) -> None:
        if len(value) < 256:
            out.write(b"U" + bytes([len(value)]) + value)
        else:
            out.write(b"T" + len(value).to_bytes(4, "little") + value)

    text(b"blobs")
    out.write(b"}(")
    for name, blob in blobs.items():
        text(name.encode())
        out.write(b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85")
        text(b"b")
        out.write(b"tR(K\x01(")
        for side in blob.shape:
            out.write(b"J" + side.to_bytes(4, "little"))
        out.write(b"tcnumpy\ndtype\n(")
        text(blob.dtype.str[1:].encode())
        out.write(b"K\x00K\x01tR(K\x03")
        text(b"<")
        out.write(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89")
        text(blob.tobytes())
        out.write(b"tb")
    out.write(b"uu.")
    return out.getvalue()


def test_the_python2_pickle_is_one():
    blobs = {"a_w": np.arange(600, dtype="<f4").reshape(2, 300), "b": np.ones(3, "<f4")}
    data = python2_pickle(blobs)
    assert not any(op.name.endswith("BYTES") for op, _, _ in pickletools.genops(data))
    read = pickle.loads(data, encoding="latin1")["blobs"]  # our own bytes: safe to execute
    assert all(np.array_equal(read[name], blobs[name]) for name in blobs)


@pytest.mark.parametrize("layout", CAFFE2_MAKES, ids=lambda layout: layout.kind)
@pytest.mark.parametrize("python", [2, 3])
def test_caffe2_encoders(layout, python, tmp_path):
    name, encoder = encoder_of(layout)
    names = {k: v for k, v in layout.names(encoder.state_dict()).items() if "num_b" not in k}
    tensors = constants(names, encoder)
    # One byte a number: 29 to 63 million of them are written and read here.
    blobs = {key: (tensor % 100).to(torch.int8).numpy() for key, tensor in tensors.items()}
    blobs |= {"last_out_L400_w": np.ones((2, 2), np.int8), "last_out_L400_b": np.ones(2, np.int8)}
    path = tmp_path / "backbone.pkl"
    path.write_bytes(
        python2_pickle(blobs) if python == 2 else pickle.dumps({"blobs": blobs}, protocol=2)
    )

    converted = convert(path)

    expected = {key: torch.from_numpy(blob) for key, blob in blobs.items()}
    check(converted.state, layout.names(encoder.state_dict()), expected)
    assert converted.metadata["encoder"] == name
    assert converted.dropped == {"classifier": ["last_out_L400_b", "last_out_L400_w"]} or (
        sorted(converted.dropped["classifier"]) == ["last_out_L400_b", "last_out_L400_w"]
    )


def official(
    encoder="ir-csn-50", bridge="gc3d", refinement="rf3d", table=None, layout=networks.ENCODERS[0]
):
    """A published checkpoint of a network, our names for it, and the network."""
    with on_meta():
        network = create_model("3dc-seg", encoder=encoder, bridge=bridge, refinement=refinement)
    names = {f"encoder.{k}": v for k, v in layout.names(network.encoder.state_dict()).items()}
    table = table or dict(reversed(networks.BRIDGES))[bridge]
    decoder = networks.decoder_names(network.decoder.state_dict(), table, refinement)
    names |= {f"decoder.{k}": v for k, v in decoder.items()}
    tensors = constants(names, network)
    tensors |= {
        name.replace("encoder.", "encoder.resnet.", 1): tensor
        for name, tensor in tensors.items()
        if name.startswith("encoder.")
    }
    for head in (3, 4, 5):
        tensors[f"decoders.0.pred{head}.weight"] = torch.ones(2, 256, 3, 3, 3)
    tensors["encoder.conv1_p.weight"] = torch.ones(64, 1, 7, 7, 7)
    tensors["encoder.resnet.fc.weight"] = torch.ones(400, 2048)
    tensors["encoder.mean"] = torch.tensor([114.7748, 107.7354, 99.4750]).view(1, 3, 1, 1, 1)
    tensors["encoder.std"] = torch.ones(1, 3, 1, 1, 1)
    return tensors, names


@pytest.fixture
def save(tmp_path):
    def write(content, name="checkpoint.pth", **how):
        path = tmp_path / name
        torch.save(content, path, **how)
        return path

    return write


ABLATIONS = [
    {"encoder": "ir-csn-152"},
    {"encoder": "ip-csn-152-padded", "layout": networks.ENCODERS[1]},
    {"encoder": "r2plus1d-34-pool", "layout": networks.ENCODERS[2]},
    {"refinement": "simple"},
    *({"bridge": bridge, "table": table} for bridge, table in networks.BRIDGES),
]


@pytest.mark.parametrize("parts", ABLATIONS, ids=lambda parts: ", ".join(list(parts)[:1]))
def test_published_networks(parts, save):
    tensors, names = official(**parts)
    path = save({"epoch": 1, "model": {f"module.{k}": v for k, v in tensors.items()}})

    converted = convert(path)

    expected = {"encoder": "ir-csn-50", "bridge": "gc3d", "refinement": "rf3d"}
    expected |= {k: v for k, v in parts.items() if k in expected}
    assert converted.metadata["options"] == expected
    mean = converted.state.pop("mean")
    assert torch.allclose(mean.flatten() * 255, torch.tensor([114.7748, 107.7354, 99.4750]))
    assert torch.equal(converted.state.pop("std"), torch.ones(1, 3, 1, 1, 1))
    check(converted.state, names, tensors)
    copies = converted.dropped["second name of the same tensor"]
    assert len(copies) == sum(name.startswith("encoder.") for name in names.values())
    assert converted.dropped["prediction head that nothing reads"]
    assert converted.dropped["stem of a mask input that nothing feeds"]
    assert converted.metadata["bn_eps"] == (1e-3 if "r2plus1d" in expected["encoder"] else 1e-5)


def test_a_converted_network_is_ready_to_run(save):
    tensors, _ = official()
    path = save({k: torch.zeros_like(v) if "mean" not in k else v for k, v in tensors.items()})
    network = load_network("3dc-seg", path)[0]
    with torch.no_grad():
        assert network(torch.rand(1, 3, 2, 32, 32)).shape == (1, 2, 2, 32, 32)
    assert network.encoder.stem[1].eps == 1e-5


def test_training_starts_from_a_published_encoder(save, tmp_path):
    layout = encoders.MMACTION_REDUCED
    _, encoder = encoder_of(layout, 1)
    path = save(constants(layout.names(encoder.state_dict()), encoder))
    network = create_model("3dc-seg", encoder="ir-csn-50", channels=8)
    load_encoder(network, path)
    assert network.encoder.stages[0][0].branch.depthwise[0].weight.unique().numel() == 1
    assert network.encoder.stem[1].eps == 1e-3
    assert torch.allclose(network.mean.flatten(), torch.tensor([0.485, 0.456, 0.406]))
    assert torch.allclose(network.std.flatten(), torch.tensor([0.229, 0.224, 0.225]))
    trained = tmp_path / "trained.safetensors"
    save_weights(trained, network)
    again = load_network(str(trained))[0]
    assert again.encoder.stem[1].eps == 1e-3
    assert torch.equal(again.mean, network.mean)

    other = create_model("3dc-seg", encoder="ir-csn-50", channels=8)
    load_encoder(other, trained)  # out of a whole network
    assert torch.equal(other.encoder.stem[0].weight, network.encoder.stem[0].weight)
    with pytest.raises(InputError, match="of another network"):
        load_encoder(create_model("3dc-seg", encoder="r2plus1d-34", channels=8), path)


def test_batch_norm_epsilon_of_the_source_is_kept():
    with on_meta():
        network = create_model("3dc-seg", encoder="ir-csn-50", channels=16)
    state = {k: torch.zeros(v.shape, dtype=v.dtype) for k, v in network.state_dict().items()}
    metadata = {
        "model": "3dc-seg",
        "options": {"encoder": "ir-csn-50", "channels": 16},
        "bn_eps": 1e-3,
    }
    assert rebuild(state, metadata, "here").encoder.stages[3][2].branch.reduce[1].eps == 1e-3


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 4, "optimizer": {"state": {0: 1}}},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"model": {f"module.{key}": value for key, value in state.items()}},
    ],
)
@pytest.mark.parametrize("archive", [True, False], ids=["zip", "before 1.6"])
def test_what_training_wraps_around_weights(wrap, archive, save):
    name, encoder = encoder_of(encoders.PORT_REDUCED, 1)
    tensors = constants(encoders.PORT_REDUCED.names(encoder.state_dict()), encoder)
    path = save(wrap(tensors), _use_new_zipfile_serialization=archive)
    assert convert(path).metadata["encoder"] == name


def refused(path, *needles):
    with pytest.raises(InputError) as caught:
        convert(path)
    message = str(caught.value)
    assert "\n" not in message
    for needle in (str(path), *needles):
        assert needle in message
    return message


def test_missing_unexpected_and_misshapen_tensors_are_listed(save):
    tensors, _ = official()
    del tensors["encoder.layer3.2.bn2.running_var"], tensors["decoders.0.RF3.convFS2.bias"]
    del tensors["encoder.resnet.layer3.2.bn2.running_var"]
    tensors["decoders.0.extra.weight"] = torch.ones(1)
    tensors["decoders.0.pred2.weight"] = torch.ones(1, 256, 3, 3, 3)
    refused(
        save(tensors),
        "2 tensors (encoder.layer3.2.bn2.running_var, decoders.0.RF3.convFS2.bias) missing",
        "1 tensor (decoders.0.extra.weight) unexpected",
        "(decoders.0.pred2.weight (1, 256, 3, 3, 3) instead of (2, 256, 3, 3, 3)) of another shape",
    )


def test_copies_that_differ_are_told(save):
    tensors, _ = official()
    tensors["encoder.resnet.conv1.weight"] = torch.zeros(64, 3, 3, 7, 7)
    tensors["encoder.conv1.weight"] = torch.ones(64, 3, 3, 7, 7)
    refused(save(tensors), "encoder.conv1.weight and its copy encoder.resnet.conv1.weight differ")


def test_an_unknown_depth(save):
    layout = replace(encoders.PORT_REDUCED, encoders={})
    _, encoder = encoder_of(encoders.PORT_REDUCED, 1)
    tensors = constants(layout.names(encoder.state_dict()), encoder)
    fewer = {name: tensor for name, tensor in tensors.items() if "layer3.5" not in name}
    refused(save(fewer), "15 blocks, expected 50 (ir-csn-152) or 16 (ir-csn-50)")


def test_makes_that_nobody_knows(save):
    refused(save({"a.weight": torch.ones(2), "b.bias": torch.ones(2)}), "a.weight, b.bias")
    refused(save({"epoch": 3}), "no named tensors")
    refused(save([torch.ones(1)]), "no named tensors")


class Shell:
    """Runs a command when an unsuspecting unpickler meets it."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        import os

        return os.system, (self.command,)


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "before 1.6"])
def test_a_pytorch_file_that_runs_code_is_refused(tmp_path, save, archive):
    witness = tmp_path / "ran"
    content = {"model": {"a": torch.ones(1)}, "scheduler": Shell(f"touch {witness}")}
    path = save(content, _use_new_zipfile_serialization=archive)
    refused(path, "refused", "system")
    assert not witness.exists()


def caffe2(tmp_path, content, protocol=2):
    path = tmp_path / "weights.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_runs_code_is_refused(tmp_path, protocol):
    witness = tmp_path / "ran"
    path = caffe2(tmp_path, {"blobs": {"conv1_w": Shell(f"touch {witness}")}}, protocol)
    refused(path, "refused", "system")
    assert not witness.exists()


GLOBAL = b"\x80\x02c%s\n%s\n."


@pytest.mark.parametrize(
    "program",
    [
        GLOBAL % (b"builtins", b"eval"),
        GLOBAL % (b"os", b"system"),
        GLOBAL % (b"numpy", b"load"),
        GLOBAL % (b"numpy.core.multiarray", b"scalar"),
        GLOBAL % (b"numpy", b"core.multiarray._reconstruct"),
        GLOBAL % (b"threedcseg.models.conversion.caffe2", b"pickle.loads"),
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93.",
        b"(S'touch ran'\nios\nsystem\n.",  # protocol 0, INST
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",
        b"\x80\x02cnumpy\ndtype\nX\x01\x00\x00\x00O\x85R.",  # an array of objects
        b"\x80\x02cnumpy\ndtype\nc_codecs\nencode\n\x85R.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nc_codecs\nencode\n\x85R.",
    ],
    ids=lambda program: repr(program[2:30]),
)
def test_pickles_that_ask_for_more_than_arrays_are_refused(tmp_path, monkeypatch, program):
    monkeypatch.chdir(tmp_path)
    refused(caffe2(tmp_path, program), "refused")
    assert [file.name for file in tmp_path.iterdir()] == ["weights.pkl"]


def test_arrays_whose_size_lies_are_refused(tmp_path):
    honest = python2_pickle({"conv1_w": np.ones((2, 3), "<f4")})
    lying = honest.replace(b"J\x02\x00\x00\x00", b"J\x00\x00\x00\x40")
    assert lying != honest
    refused(caffe2(tmp_path, lying), "refused", "with other than")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle at all",
        {"blobs": {"conv1_w": np.ones(3)}, "x": 1},
        {"conv1_w": [1, 2, 3]},
        [np.ones(3)],
        {"blobs": {}},
        {"conv1_w": np.array([None, "x"])},
        python2_pickle({"conv1_w": np.ones((64, 3), "<f4")})[:200],
    ],
    ids=lambda content: repr(content)[:30],
)
def test_other_and_damaged_pickles(tmp_path, content):
    refused(caffe2(tmp_path, content))


@pytest.mark.parametrize("cut", [3, 20, 5000, -100])
def test_damaged_pytorch_files(save, cut):
    path = save({"conv1.weight": torch.ones(64, 3, 3, 7, 7)})
    path.write_bytes(path.read_bytes()[:cut])
    refused(path)


def test_no_such_file(tmp_path):
    refused(tmp_path / "none.pth", "no such file")


def test_every_bridge_but_no_other_has_a_published_name():
    assert {bridge for bridge, _ in networks.BRIDGES} == set(BRIDGES)
