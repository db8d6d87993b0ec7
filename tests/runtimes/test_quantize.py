"""8-bit exports: smaller, close to PyTorch on videos that they were not calibrated on."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from threedcseg.errors import InputError
from threedcseg.inference.predictor import predict_clip
from threedcseg.models import load_network
from threedcseg.runtimes.export import Difference, _check, export
from threedcseg.runtimes.exported import open_exported
from threedcseg.runtimes.quantize import calibration_clips, quantize
from threedcseg.video.reader import open_video

ROOT = Path(__file__).parents[2]
DAVIS = ROOT.parent / "shared" / "data" / "davis16"
needs_davis = pytest.mark.skipif(not DAVIS.is_dir(), reason="no ../shared/data/davis16")


@needs_davis
def test_calibration_clips_are_of_ten_training_sequences():
    clips = calibration_clips(DAVIS, 4)
    assert len(clips) == 10
    assert all(clip.shape[0] == 4 and min(clip.shape[1:3]) == 288 for clip in clips)
    assert all(clip.dtype == np.uint8 and np.ptp(clip) > 100 for clip in clips)


def test_roots_that_are_no_data_set(tmp_path):
    with pytest.raises(InputError, match="no data set known here"):
        calibration_clips(tmp_path, 8)


@needs_davis
@pytest.mark.slow
def test_int8_is_small_and_close(exported, tmp_path):
    path = tmp_path / "int8.onnx"
    difference = export("compact", path, clip_length=4, calibration=DAVIS)
    assert 0 < difference.mean < 0.05
    assert [each.name for each in tmp_path.iterdir()] == ["int8.onnx"]
    assert path.stat().st_size < 0.5 * (exported / "compact.onnx").stat().st_size
    with open_video(ROOT / "examples" / "dog.mp4") as source:
        frames = [frame.image[::2, ::2][:224, :416] for frame in islice(source, 4)]
    clip = np.stack(frames)
    network, _ = load_network("compact")
    expected = predict_clip(clip, network) > 0.5
    for runtime in ("onnxruntime", "openvino"):
        opened = open_exported(path, runtime)
        assert opened.about["precision"] == "int8"
        found = predict_clip(clip, opened) > 0.5
        assert (found & expected).sum() > 0.9 * (found | expected).sum() > 0


def test_int8_that_is_broken_is_refused():
    _check(Path("x.onnx"), Difference(0.9, 0.04), quantized=True)
    with pytest.raises(InputError, match=r"by 2\.0e-01 on average, .* other calibration data"):
        _check(Path("x.onnx"), Difference(0.9, 0.2), quantized=True)


def test_networks_of_3d_convolutions_only_are_refused(tmp_path):
    onnx = pytest.importorskip("onnx", reason="pip install 'threedcseg[onnx]' to test exports")
    pytest.importorskip("onnxruntime", reason="pip install 'threedcseg[onnx]' to test exports")
    from onnx import TensorProto, helper

    nodes, tensors = [], []
    for index in range(4):
        weight = np.ones((3, 3, 1, 1, 1), np.float32)
        tensors.append(onnx.numpy_helper.from_array(weight, f"w{index}"))
        source, target = f"x{index}" if index else "clip", f"x{index + 1}"
        nodes.append(
            helper.make_node("Conv", [source, f"w{index}"], [target], kernel_shape=[1, 1, 1])
        )
    shape = [1, 3, 2, 4, 4]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("clip", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("x4", TensorProto.FLOAT, shape)],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "g.onnx")
    with pytest.raises(InputError, match="3D convolutions only"):
        quantize(tmp_path / "g.onnx", tmp_path / "q.onnx", [])
