"""A network to an ONNX or OpenVINO file, checked against PyTorch before the file gets its name."""

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from threedcseg.atomic import scratch_folder
from threedcseg.errors import InputError
from threedcseg.inference.predictor import context_of, predict_clips
from threedcseg.inference.settings import Settings
from threedcseg.models.fast.prepare import prepare_for_inference
from threedcseg.models.loading import load_network
from threedcseg.models.loading import provenance as weights_provenance
from threedcseg.models.shipped import card_of
from threedcseg.runtimes.exported import ENDINGS, HEADER, open_exported, runtime_package
from threedcseg.runtimes.quantize import calibration_clips, quantize
from threedcseg.video.reader import open_video

OPSET = 18
TOLERANCE = 1e-3
"""Largest difference of probabilities from PyTorch's that an exported file may have."""
INT8_TOLERANCE = 0.05
"""Largest mean difference that one in int8 may have: beyond it, it is broken, not just coarse."""
MULTIPLE = 16
"""Heights and widths are multiples of it: the stride of the coarsest map but one."""


@dataclass(frozen=True)
class Difference:
    """How far probabilities, in [0, 1], are from PyTorch's."""

    largest: float
    mean: float


def export(
    name_or_path: str,
    path: str | Path,
    *,
    weights: str | Path | None = None,
    clip_length: int | None = None,
    context: int | None = None,
    video: str | Path | None = None,
    calibration: str | Path | None = None,
) -> Difference:
    """Write a trained network to ``path`` (.onnx or .xml), height and width left open.

    ``clip_length``, ``context``: by default what the weights recommend. With ``calibration``, the
    root of a data set, convolutions are in int8 (see `quantize`). The file is compared with PyTorch
    on a clip of ``video`` (default: of the calibration, or a made-up one) at two sizes, and only
    then put in its place.
    Raises `InputError` for a name that ends in neither, int8 in .xml (converted, it loses five
    times as much), a largest difference above `TOLERANCE` (in
    int8: a mean one above `INT8_TOLERANCE`), or what cannot be read or written.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise InputError(f"{path}", f"give a name that ends in {' or '.join(ENDINGS)}")
    if path.is_dir():
        raise InputError(f"{path}: is a folder", "give the name of a file")
    if calibration is not None and path.suffix != ".onnx":
        raise InputError(
            f"{path}: int8 is written as .onnx only; OpenVINO reads that too (--runtime openvino)"
        )
    for name in ("onnx", "onnxscript", "onnxruntime"):
        runtime_package(name)
    if path.suffix == ".xml":
        runtime_package("openvino")
    network, _ = load_network(name_or_path, weights)
    asked = {"clip_length": clip_length, "context": context}
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    settings = Settings.recommended_by(network, **given)
    clip_length, context = settings.clip_length, context_of(network, settings)
    length = clip_length + 2 * context
    clips = None if calibration is None else calibration_clips(calibration, length)
    frames = clips[0] if clips is not None and video is None else _frames(video, length)
    recommended: Any = network.recommended
    about = {
        **weights_provenance(name_or_path, weights),
        "licence": (card_of(name_or_path) or {}).get("licence", "that of the weights"),
        "clip_length": clip_length,
        "context": context,
        "precision": "float32" if clips is None else "int8",
        "input": f"clip (1, 3, {length}, H, W) float32, RGB in [0, 1], "
        f"H and W multiples of {MULTIPLE}",
        "output": f"logits (1, K, {clip_length}, H, W): foreground is sigmoid for K = 1, "
        "softmax [:, 1] for 2",
        "recommended": {**recommended, "clip_length": clip_length, "context": context},
        "settings": asdict(settings),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(path.parent, ".export-") as folder:
        made = folder / path.name
        onnx = made.with_suffix(".onnx")
        _write_onnx(network, onnx, clip_length, context)
        if clips is not None:
            with _silent():
                quantize(onnx, onnx, clips)
        _add_header(onnx, about)
        if path.suffix == ".xml":
            _write_openvino(made, about)
        difference = _difference(network, made, frames, context)
        _check(path, difference, quantized=clips is not None)
        if path.suffix == ".xml":  # first the weights, which nothing reads without the graph
            os.replace(made.with_suffix(".bin"), path.with_suffix(".bin"))
        os.replace(made, path)
    return difference


def _check(path: Path, difference: Difference, quantized: bool) -> None:
    found = difference.mean if quantized else difference.largest
    allowed = INT8_TOLERANCE if quantized else TOLERANCE
    if not found <= allowed:
        raise InputError(
            f"{path}: not written, its probabilities differ from PyTorch's by {found:.1e}"
            f"{' on average' * quantized}, more than {allowed:.0e}",
            f"try another version of the runtime{', or other calibration data' * quantized}",
        )


class _WithContext(nn.Module):
    """A network whose clips always have so much of it."""

    def __init__(self, network: nn.Module, context: int) -> None:
        super().__init__()
        self.network, self.context = network, context

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(clip, self.context)
        return logits


def _write_onnx(network: nn.Module, path: Path, clip_length: int, context: int) -> None:
    clip = torch.rand(1, 3, clip_length + 2 * context, 6 * MULTIPLE, 10 * MULTIPLE)
    rows = MULTIPLE * torch.export.Dim("rows", min=2)
    columns = MULTIPLE * torch.export.Dim("columns", min=2)
    with _silent():
        program = torch.onnx.export(
            # a smaller graph, exported faster
            _WithContext(prepare_for_inference(network), context),
            (clip,),
            dynamo=True,
            dynamic_shapes=({3: rows, 4: columns},),
            input_names=["clip"],
            output_names=["logits"],
            opset_version=OPSET,
            verbose=False,
        )
        assert program is not None
        path.write_bytes(program.model_proto.SerializeToString())


def _add_header(path: Path, about: dict[str, Any]) -> None:
    onnx = runtime_package("onnx")
    model = onnx.load(path)
    entry = model.metadata_props.add()
    entry.key, entry.value = HEADER, json.dumps(about)
    path.write_bytes(model.SerializeToString())


def _write_openvino(path: Path, about: dict[str, Any]) -> None:
    openvino = runtime_package("openvino")
    model = openvino.convert_model(str(path.with_suffix(".onnx")))
    model.set_rt_info(json.dumps(about), [HEADER])
    openvino.save_model(model, str(path), compress_to_fp16=False)


def _difference(network: nn.Module, path: Path, frames: np.ndarray, context: int) -> Difference:
    """From PyTorch's probabilities at two sizes, neither that of the export."""
    exported = open_exported(path)
    found = []
    for height, width in ((7 * MULTIPLE, 12 * MULTIPLE), (9 * MULTIPLE, 5 * MULTIPLE)):
        clip = np.stack([cv2.resize(frame, (width, height)) for frame in frames])
        ours, theirs = (
            predict_clips(clip[None], each, context=context) for each in (network.eval(), exported)
        )
        found.append(np.abs(ours - theirs))
    return Difference(max(float(d.max()) for d in found), max(float(d.mean()) for d in found))


def _frames(video: str | Path | None, count: int) -> np.ndarray:
    """``(count, H, W, 3)`` uint8: of the video's start, or a disc that crosses a noisy ground."""
    if video is not None:
        with open_video(video) as source:
            found = [frame.image for frame in islice(source, count)]
        return np.stack(found + [found[-1]] * (count - len(found)))
    ground = np.random.default_rng(0).integers(0, 255, (18, 32, 3), np.uint8)
    frames = [cv2.resize(ground, (256, 144), interpolation=cv2.INTER_CUBIC) for _ in range(count)]
    for t, frame in enumerate(frames):
        cv2.circle(frame, (40 + 20 * t, 70), 30, (220, 60, 40), -1)
    return np.stack(frames)


@contextmanager
def _silent() -> Iterator[None]:
    """Without the exporter's progress and warnings, which are about itself."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
