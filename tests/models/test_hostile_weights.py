"""Files of weights that mean ill: one line, before anything large is made."""

import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from threedcseg.errors import InputError
from threedcseg.inference.settings import Settings
from threedcseg.models import create_model, load_model, load_network
from threedcseg.models.weights import HEADER

OPTIONS = {"width": "lite0", "channels": 8}
GOOD = {"model": "compact", "options": OPTIONS, "clip_length": 8}
INFINITE = float("inf")


@pytest.fixture(scope="module")
def state():
    return create_model("compact", **OPTIONS).eval().state_dict()


def check_refused(path) -> str:
    with pytest.raises(InputError) as told:
        load_network(str(path))
    message = str(told.value)
    assert message.startswith((str(path), "model ", "unknown ")) and len(message) < 600
    return message


@pytest.mark.parametrize("value", [10**9, -1, "text", [1], {"a": 1}, 1e308, 8.0, None, True])
def test_channels(tmp_path, state, value):
    header = GOOD | {"options": {**OPTIONS, "channels": value}}
    save_file(state, tmp_path / "a.safetensors", {HEADER: json.dumps(header)})
    check_refused(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        *({"bn_eps": value} for value in ("text", [1], -1, 2, INFINITE, float("nan"))),
        *({"clip_length": value} for value in (0, 10**9, 8.5, INFINITE, [8])),
        *({"std": value} for value in ("text", [1], [0, 0, 0], [-1] * 3, [1e308] * 3)),
        *({"mean": value} for value in ("text", [1], [INFINITE] * 3, [float("nan")] * 3)),
        *({"model": value} for value in ("nope", 1, ["compact"], {})),
        *({"options": value} for value in ("text", [1], {"self": 1}, {"name": 1}, {"no": 1})),
        *({"options": {"width": value}} for value in (["lite0"], "../x", 0)),
        *({"options": {"finest": value}} for value in (10**9, "text", -1)),
        {"model": "3dc-seg", "options": {"encoder": ["x"]}},
        {"model": "3dc-seg", "options": {"classes": 10**9}},
        {"precision": "int8"},
        {"settings": "text"},
    ],
    ids=str,
)
def test_headers(tmp_path, state, change):
    save_file(state, tmp_path / "a.safetensors", {HEADER: json.dumps(GOOD | change)})
    check_refused(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"model":' + "[" * 100_000,
        '{"model": "compact", "options": {"channels": ' + "[" * 150 + "]" * 150 + "}}",
        '{"model": "compact", "clip_length": ' + "9" * 5000 + "}",
        '{"model": "\\ud800"}',
    ],
    ids=["empty", "list", "brackets", "inside", "deep", "digits", "surrogate"],
)
def test_headers_that_are_no_headers(tmp_path, state, text):
    save_file(state, tmp_path / "a.safetensors", {HEADER: text})
    check_refused(tmp_path / "a.safetensors")


HUGE = json.dumps({"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 8]}}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        struct.pack("<Q", 200_000) + b"[" * 200_000,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", len(HUGE)) + HUGE + bytes(8),
        b"PK\x03\x04" + bytes(100),
    ],
    ids=["empty", "brackets", "long header", "large tensor", "zip"],
)
def test_files_that_are_no_safetensors(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    check_refused(tmp_path / "a.safetensors")


@pytest.mark.parametrize("value", [float("nan"), INFINITE, -INFINITE])
def test_values_that_are_no_numbers(tmp_path, state, value):
    damaged = {key: tensor.clone() for key, tensor in state.items()}
    damaged["encoder.stem.0.weight"].view(-1)[3] = value
    save_file(damaged, tmp_path / "a.safetensors", {HEADER: json.dumps(GOOD)})
    message = check_refused(tmp_path / "a.safetensors")
    assert "1 tensor (encoder.stem.0.weight) with values that are no numbers" in message


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64, torch.bool])
def test_tensors_of_another_kind(tmp_path, state, dtype):
    other = {key: tensor.to(dtype) for key, tensor in state.items()}
    save_file(other, tmp_path / "a.safetensors", {HEADER: json.dumps(GOOD)})
    assert "of another type" in check_refused(tmp_path / "a.safetensors")


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float8_e4m3fn])
def test_numbers_of_another_precision_become_float32(tmp_path, state, dtype):
    other = {key: t.to(dtype) if t.is_floating_point() else t for key, t in state.items()}
    save_file(other, tmp_path / "a.safetensors", {HEADER: json.dumps(GOOD)})
    network = load_model(str(tmp_path / "a.safetensors"), "cpu", precision="float32")
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 2, 32, 32)).isfinite().all()


@pytest.mark.parametrize(
    "settings",
    [{"overlap": 10**9}, {"stride": 10**12}, {"multiple": 10**9}, {"short_edge": 10**9},
     {"tta": 1e308}, {"threshold": float("nan")}, {"upsampling": {}}, {"clip_length": 10**9}],
    ids=str,
)  # fmt: skip
def test_settings_that_a_file_recommends(tmp_path, state, settings):
    header = {key: value for key, value in GOOD.items() if key != "clip_length"}
    path = tmp_path / "a.safetensors"
    save_file(state, path, {HEADER: json.dumps(header | {"settings": settings})})
    with pytest.raises(InputError, match="cannot be used"):
        Settings.recommended_by(load_network(str(path))[0])
