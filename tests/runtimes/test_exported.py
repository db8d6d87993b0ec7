"""Exported networks against PyTorch, and files that are none of ours."""

import json
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from threedcseg.cli.main import main
from threedcseg.errors import InputError
from threedcseg.inference.predictor import predict_clip, predict_clips, segment
from threedcseg.inference.settings import Settings
from threedcseg.models import load_network
from threedcseg.models.registry import create_model
from threedcseg.models.weights import save_weights
from threedcseg.runtimes.export import Difference, export
from threedcseg.runtimes.exported import open_exported
from threedcseg.video.reader import open_video

EXAMPLE = Path(__file__).parents[2] / "examples" / "dog.mp4"
WAYS = [
    ("compact.onnx", "onnxruntime"),
    ("compact.onnx", "openvino"),
    ("compact.xml", "openvino"),
]


@pytest.fixture(scope="module")
def frames():
    with open_video(EXAMPLE) as source:
        return np.stack([frame.image[::3, ::3][:144, :272] for frame in islice(source, 6)])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "runtime"), WAYS)
def test_real_clips_give_what_pytorch_gives(exported, frames, name, runtime):
    network, _ = load_network("compact")
    other = open_exported(exported / name, runtime)
    assert other.about["clip_length"] == 4 and "NC" in other.about["licence"]
    assert other.about["precision"] == "float32" and other.about["settings"]["overlap"] == 0
    for clip in (frames[:4], frames[2:6, :96, :160], frames[1:3]):
        filled = clip if len(clip) == 4 else np.concatenate([clip, clip[-1:], clip[-1:]])
        black = np.zeros((5, *clip.shape[1:]), np.uint8)
        filled = np.concatenate([black, filled, black])
        expected = predict_clips(filled[None], network, context=5)[0, : len(clip)]
        assert np.abs(predict_clip(clip, other) - expected).max() < 1e-3
        assert np.ptp(expected) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("name", "runtime"), WAYS)
def test_real_videos_give_what_pytorch_gives(exported, name, runtime):
    with open_video(EXAMPLE) as source:
        frames = [frame.image[::3, ::3] for frame in islice(source, 19)]
    network, _ = load_network("compact")
    other = open_exported(exported / name, runtime)
    settings = Settings.recommended_by(other, short_edge=96)
    assert (settings.clip_length, settings.context) == (4, 5)
    for (_, ours), (_, theirs) in zip(
        segment(frames, network, settings), segment(frames, other, settings), strict=True
    ):
        assert np.abs(ours - theirs).max() < 1e-3


@pytest.mark.slow
def test_more_context_than_was_exported_is_refused(exported, frames):
    network = open_exported(exported / "compact.onnx")
    with pytest.raises(InputError, match="a context of 5 frames, not 6: give --context 5"):
        list(segment(iter(frames), network, Settings(clip_length=4, context=6)))


@pytest.mark.slow
def test_clips_that_are_too_long_are_refused(exported, frames):
    network = open_exported(exported / "compact.onnx")
    with pytest.raises(InputError, match="for clips of 4 frames, not 6: give --clip-length 4"):
        list(segment(iter(frames), network, Settings(clip_length=6)))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "runtime"), WAYS)
def test_segment_runs_exported_files(exported, tmp_path, name, runtime, capsys):
    args = ["--model", str(exported / name), "--runtime", runtime, "--short-edge", "96"]
    args += ["--overlap", "1"]
    assert main(["segment", str(EXAMPLE), "-o", str(tmp_path), *args]) == 0
    record = json.loads((tmp_path / "dog" / "3dcseg.json").read_text())
    assert record["settings"]["clip_length"] == 4  # as the file says
    network = record["provenance"]
    assert network["runtime"] == runtime and len(network["weights_sha256"]) == 64
    assert f"with {runtime}" in capsys.readouterr().err
    assert main(["segment", str(EXAMPLE), "-o", str(tmp_path), *args, "--device", "cuda"]) == 2


@pytest.mark.slow
def test_damaged_and_foreign_files_are_told_in_a_line(exported, tmp_path):
    import onnx

    cut = tmp_path / "cut.onnx"
    cut.write_bytes((exported / "compact.onnx").read_bytes()[:5000])
    with pytest.raises(InputError, match=r"cut\.onnx: cannot be read by onnxruntime"):
        open_exported(cut)
    lonely = tmp_path / "lonely.xml"  # its weights are missing
    shutil.copy(exported / "compact.xml", lonely)
    with pytest.raises(InputError, match=r"lonely\.xml: cannot be read by openvino"):
        open_exported(lonely)
    foreign = onnx.load(exported / "compact.onnx")
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(InputError, match="has no header of ours"):
        open_exported(tmp_path / "foreign.onnx")
    with pytest.raises(InputError, match=r"reads \.onnx files only"):
        open_exported(exported / "compact.xml", "onnxruntime")


@pytest.mark.parametrize(
    ("args", "needle"),
    [
        (["compact", "-o", "compact.pb"], "ends in .onnx or .xml"),
        (["compact", "-o", "x.onnx", "--clip-length", "0"], "give 1 to 1024 frames"),
        (["compcat", "-o", "x.onnx"], "compact"),
        (["none.safetensors", "-o", "x.onnx"], "none.safetensors"),
        (["compact", "-o", "x.onnx", "--quantize", "int8"], "give both or neither"),
        (["compact", "-o", "x.onnx", "--calibration", "."], "give both or neither"),
        (["compact", "-o", "x.xml", "--quantize", "int8", "--calibration", "."], ".onnx only"),
        (["compact", "-o", "x.onnx", "--quantize", "int8", "--calibration", "no"], "no data set"),
    ],
)
def test_export_of_what_cannot_be_exported(tmp_path, monkeypatch, capsys, args, needle):
    pytest.importorskip("onnxscript", reason="pip install 'threedcseg[onnx]' to test exports")
    monkeypatch.chdir(tmp_path)
    assert main(["export", *args]) == 2
    assert needle in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_missing_files_and_runtimes_are_told_in_a_line(tmp_path, capsys):
    with pytest.raises(InputError, match="no such file: make it with `3dcseg export`"):
        open_exported(tmp_path / "none.onnx")
    args = ["segment", str(EXAMPLE), "-o", str(tmp_path / "out"), "--runtime", "openvino"]
    assert main(args) == 2
    assert "make one with `3dcseg export compact -o FILE.onnx`" in capsys.readouterr().err


@pytest.mark.slow
def test_a_file_that_differs_from_pytorch_is_not_written(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "threedcseg.runtimes.export._difference", lambda *args: Difference(0.5, 0.1)
    )
    with pytest.raises(InputError, match=r"differ from PyTorch's by 5\.0e-01"):
        export("compact", tmp_path / "x.onnx", clip_length=4)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_papers_network_can_be_exported(exported, frames, tmp_path):
    torch.manual_seed(0)
    network = create_model("3dc-seg", encoder="ir-csn-50", channels=8).eval()
    with torch.no_grad():
        network.decoder.head[-1].weight.mul_(100)  # or all probabilities are near one half
    save_weights(tmp_path / "paper.safetensors", network)
    path = tmp_path / "paper.onnx"
    difference = export(str(tmp_path / "paper.safetensors"), path, clip_length=4)
    assert difference.largest < 1e-3
    for clip in (frames[:4], frames[2:6, :96, :160]):
        expected = predict_clip(clip, network)
        assert np.ptp(expected) > 0.5
        assert np.abs(predict_clip(clip, open_exported(path)) - expected).max() < 1e-3
