"""A network to an ONNX or OpenVINO file, checked against PyTorch before the file gets its name."""

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from threedcseg.errors import InputError
from threedcseg.inference.predictor import predict_clip
from threedcseg.models.loading import card_of, load_network
from threedcseg.models.loading import provenance as weights_provenance
from threedcseg.runtimes.exported import ENDINGS, HEADER, open_exported, package
from threedcseg.video.reader import open_video

OPSET = 18
TOLERANCE = 1e-3
"""Largest difference of probabilities from PyTorch's that an exported file may have."""
MULTIPLE = 16
"""Heights and widths are multiples of it: the stride of the coarsest map but one."""


def export(
    name_or_path: str,
    path: str | Path,
    *,
    weights: str | Path | None = None,
    clip_length: int = 8,
    video: str | Path | None = None,
) -> float:
    """Write a trained network to ``path`` (.onnx or .xml), height and width left open.

    The file is compared with PyTorch on a clip of ``video`` (default: a made-up one) at two sizes,
    and only then put in its place. Returns the largest difference of probabilities.
    Raises `InputError` for a name that ends in neither, a difference above `TOLERANCE`, or what
    cannot be read or written.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise InputError(f"{path}: give a name that ends in {' or '.join(ENDINGS)}")
    if clip_length < 1:
        raise InputError(f"clip length {clip_length} is too small; give 1 or more")
    package("onnx", "onnx"), package("onnxscript", "onnx")
    if path.suffix == ".xml":
        package("openvino", "openvino")
    network, _ = load_network(name_or_path, weights)
    frames = _frames(video, clip_length)
    about = {
        **weights_provenance(name_or_path, weights),
        "licence": (card_of(name_or_path) or {}).get("licence", "that of the weights"),
        "clip_length": clip_length,
        "input": f"clip (1, 3, {clip_length}, H, W) float32, RGB in [0, 1], "
        f"H and W multiples of {MULTIPLE}",
        "output": "logits (1, K, T, H, W): foreground is sigmoid for K = 1, softmax [:, 1] for 2",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        made = Path(folder) / path.name
        _write_onnx(network, made.with_suffix(".onnx"), clip_length, about)
        if path.suffix == ".xml":
            _write_openvino(made, about)
        difference = _difference(network, made, frames)
        if not difference <= TOLERANCE:
            raise InputError(
                f"{path}: not written, its probabilities differ from PyTorch's by "
                f"{difference:.1e}, more than {TOLERANCE:.0e}: try another version of the runtime"
            )
        if path.suffix == ".xml":  # first the weights, which nothing reads without the graph
            os.replace(made.with_suffix(".bin"), path.with_suffix(".bin"))
        os.replace(made, path)
    return difference


def _write_onnx(network: nn.Module, path: Path, clip_length: int, about: dict[str, Any]) -> None:
    clip = torch.rand(1, 3, clip_length, 6 * MULTIPLE, 10 * MULTIPLE)
    rows = MULTIPLE * torch.export.Dim("rows", min=2)
    columns = MULTIPLE * torch.export.Dim("columns", min=2)
    with _silent():
        program = torch.onnx.export(
            network.eval(),
            (clip,),
            dynamo=True,
            dynamic_shapes=({3: rows, 4: columns},),
            input_names=["clip"],
            output_names=["logits"],
            opset_version=OPSET,
            verbose=False,
        )
        assert program is not None
        model = program.model_proto
    entry = model.metadata_props.add()
    entry.key, entry.value = HEADER, json.dumps(about)
    path.write_bytes(model.SerializeToString())


def _write_openvino(path: Path, about: dict[str, Any]) -> None:
    openvino = package("openvino", "openvino")
    model = openvino.convert_model(str(path.with_suffix(".onnx")))
    model.set_rt_info(json.dumps(about), [HEADER])
    openvino.save_model(model, str(path), compress_to_fp16=False)


def _difference(network: nn.Module, path: Path, frames: np.ndarray) -> float:
    """The largest difference of probabilities at two sizes, neither that of the export."""
    exported = open_exported(path)
    worst = 0.0
    for height, width in ((7 * MULTIPLE, 12 * MULTIPLE), (9 * MULTIPLE, 5 * MULTIPLE)):
        clip = np.stack([cv2.resize(frame, (width, height)) for frame in frames])
        ours, theirs = predict_clip(clip, network.eval()), predict_clip(clip, exported)
        worst = max(worst, float(np.abs(ours - theirs).max()))
    return worst


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
