"""8-bit copies of exported networks: convolutions in int8, calibrated on clips of real videos."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from threedcseg.datasets.registry import KINDS, detect, open_dataset
from threedcseg.datasets.sequence import Sequence
from threedcseg.errors import InputError
from threedcseg.inference.geometry import Geometry
from threedcseg.inference.settings import Settings
from threedcseg.runtimes.exported import runtime_package
from threedcseg.video.images import read_image

SEQUENCES = 10
"""How many sequences of a data set give a clip to calibrate on."""
STEM = 3
"""Convolutions at the input that stay in float32: few operations, and most of the error."""


def calibration_clips(root: str | Path, clip_length: int) -> list[np.ndarray]:
    """The middle clip ``(T, h, w, 3)`` uint8 RGB of sequences spread over a training split.

    ``root``: of a data set known here; the split is "train", or the first it has. Frames are
    brought to the default size of `Settings`. Raises `InputError` where there is nothing to read.
    """
    root = Path(root)
    kinds = detect(root)
    if not kinds:
        raise InputError(f"{root}: no data set known here", "see `3dcseg data check`")
    kind = KINDS[kinds[0]]
    splits = kind.splits(root)
    split = "train" if "train" in splits else splits[0]
    variants = kind.variants(root, split)
    if not variants:
        raise InputError(f"{root}: no frames of its split {split!r} to calibrate on")
    found = open_dataset(kinds[0], root, split, **variants[0]).sequences
    step = max(1, len(found) // SEQUENCES)
    return [_middle(sequence, clip_length) for sequence in found[::step][:SEQUENCES]]


def quantize(source: Path, target: Path, clips: list[np.ndarray]) -> None:
    """Write an ONNX file with the 2D convolutions of ``source`` in int8, but for the first.

    Those over three axes stay as they are: ONNX Runtime computes them slower in int8. ``clips``,
    as `calibration_clips` gives them, say what range each activation has. The header is not kept.
    Raises `InputError` for a network without 2D convolutions.
    """
    onnx, tools = runtime_package("onnx"), runtime_package("onnxruntime.quantization")
    prepared = source.with_suffix(".prepared.onnx")
    shapes = runtime_package("onnxruntime.quantization.shape_inference")
    shapes.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    convolutions = [node for node in onnx.load(prepared).graph.node if node.op_type == "Conv"]
    flat = [node.name for node in convolutions[STEM:] if _axes(node) == 2]
    if not flat:
        raise InputError(
            "int8: this network has 3D convolutions only, which are slower in int8",
            "leave out --quantize",
        )
    tools.quantize_static(
        str(prepared),
        str(target),
        _Reader(clips),
        quant_format=tools.QuantFormat.QDQ,
        nodes_to_quantize=flat,
        per_channel=True,
        activation_type=tools.QuantType.QUInt8,
        weight_type=tools.QuantType.QInt8,
        calibrate_method=tools.CalibrationMethod.MinMax,
        extra_options={"CalibMovingAverage": True},
    )
    prepared.unlink()


class _Reader:
    """Clips in the form in which ONNX Runtime asks for them."""

    def __init__(self, clips: list[np.ndarray]) -> None:
        self._inputs: Iterator[dict[str, np.ndarray]] = (
            {"clip": np.divide(clip.transpose(3, 0, 1, 2)[None], 255, dtype=np.float32)}
            for clip in clips
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._inputs, None)


def _axes(convolution: object) -> int:
    """Over how many axes an ONNX convolution goes."""
    attributes = convolution.attribute  # type: ignore[attr-defined]
    return next(len(each.ints) for each in attributes if each.name == "kernel_shape")


def _middle(sequence: Sequence, count: int) -> np.ndarray:
    start = max(0, (len(sequence.frames) - count) // 2)
    paths = sequence.frames[start : start + count]
    frames = [read_image(path) for path in paths]
    settings = Settings()
    height, width = frames[0].shape[:2]
    geometry = Geometry.fit(height, width, settings.short_edge, settings.multiple)
    clip = [geometry.to_network(frame) for frame in frames]
    return np.stack(clip + [clip[-1]] * (count - len(clip)))
