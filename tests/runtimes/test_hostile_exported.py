"""ONNX files that mean ill: one line, when they are opened or with their first clip."""

import json

import pytest
import torch

from threedcseg.errors import InputError
from threedcseg.inference.settings import Settings
from threedcseg.runtimes.exported import open_exported

onnx = pytest.importorskip("onnx", reason="pip install 'threedcseg[onnx]' to test exports")
pytest.importorskip("onnxruntime", reason="pip install 'threedcseg[onnx]' to test exports")

from onnx import TensorProto, helper  # noqa: E402

CLIP = ["1", 3, 4, "H", "W"]
HEADER = {"clip_length": 4, "recommended": {}}


def write(path, nodes, *, header=HEADER, input_name="clip", output=None, kind=TensorProto.FLOAT):
    given = helper.make_tensor_value_info(input_name, TensorProto.FLOAT, CLIP)
    made = helper.make_tensor_value_info("logits", kind, output)
    graph = helper.make_graph(nodes, "made", [given], [made])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    entry = model.metadata_props.add()
    entry.key, entry.value = "3dcseg", header if isinstance(header, str) else json.dumps(header)
    path.write_bytes(model.SerializeToString())
    return path


def mean(name="clip", axes=(1,), keepdims=1):
    constant = helper.make_node(
        "Constant", [], ["axes"], value=helper.make_tensor("axes", 7, [len(axes)], axes)
    )
    return [constant, helper.make_node("ReduceMean", [name, "axes"], ["logits"], keepdims=keepdims)]


def compute(path):
    network = open_exported(path)
    Settings.recommended_by(network)
    return network(torch.rand(1, 3, 4, 32, 48))


def test_one_that_means_well(tmp_path):
    assert compute(write(tmp_path / "a.onnx", mean())).shape == (1, 1, 4, 32, 48)


def test_nobody_is_told_of_it(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("onnxruntime.disable_telemetry_events", lambda: told.append("off"))
    open_exported(write(tmp_path / "a.onnx", mean()))
    assert told == ["off"]


@pytest.mark.parametrize(
    ("nodes", "options"),
    [
        (mean(axes=(0, 1, 2, 3, 4), keepdims=0), {}),
        (mean(axes=(2,)), {}),
        (mean(axes=(1,), keepdims=0), {}),
        (mean("frames"), {"input_name": "frames"}),
        ([helper.make_node("Cast", ["clip"], ["logits"], to=7)], {"kind": TensorProto.INT64}),
        ([helper.make_node("Identity", ["clip"], ["logits"])], {}),
        ([helper.make_node("Reshape", ["clip", "shape"], ["logits"])], {}),
    ],
    ids=["scalar", "one frame", "no channel", "other input", "integers", "three channels", "open"],
)
def test_graphs_that_give_no_logits(tmp_path, nodes, options):
    path = write(tmp_path / "a.onnx", nodes, **options)
    with pytest.raises(InputError) as told:
        compute(path)
    assert str(told.value).startswith(str(path))


@pytest.mark.parametrize(
    "header",
    [
        *({"clip_length": value} for value in (10**9, 0, -1, "four", [4], 1e308, None)),
        {},
        {"clip_length": 4, "recommended": "text"},
        {"clip_length": 4, "recommended": {"stride": 10**12}},
        "[" * 100_000,
        '{"clip_length": ' + "9" * 5000 + "}",
        "",
        "[]",
    ],
    ids=lambda header: str(header)[:40],
)
def test_headers(tmp_path, header):
    path = write(tmp_path / "a.onnx", mean(), header=header)
    with pytest.raises(InputError):
        compute(path)


@pytest.mark.parametrize("content", [b"", b"\0" * 1000, b"\x08\x07" * 1000, b"[" * 100_000])
def test_files_that_are_no_onnx(tmp_path, content):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(InputError):
        open_exported(tmp_path / "a.onnx")
