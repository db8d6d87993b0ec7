import pytest

from threedcseg.runtimes.export import export


@pytest.fixture(scope="session")
def exported(one_trace, tmp_path_factory):
    """The shipped network as ONNX and OpenVINO, for clips of 4 frames."""
    pytest.importorskip("openvino", reason="pip install 'threedcseg[openvino]' to test exports")
    folder = tmp_path_factory.mktemp("exported")
    assert export("compact", folder / "compact.xml", clip_length=4).largest < 1e-3
    assert export("compact", folder / "compact.onnx", clip_length=4).largest < 1e-3
    return folder
