"""Exported networks as callables from clips to logits, like any other network."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, Field, ValidationError
from torch import Tensor

from threedcseg.errors import InputError
from threedcseg.extras import package
from threedcseg.reading import shortly

Runtime = Literal["onnxruntime", "openvino"]
ENDINGS: dict[str, Runtime] = {".onnx": "onnxruntime", ".xml": "openvino"}
"""What runs a file by default. OpenVINO reads ONNX files as well."""

HEADER = "3dcseg"
"""Under which the file keeps what it is, as JSON."""


class About(BaseModel, extra="allow"):
    """The entries of a header that are read again."""

    clip_length: Annotated[int, Field(ge=1, le=1024)]
    context: Annotated[int, Field(ge=0, le=256)] = 0
    recommended: dict[str, Any] = {}


class ExportedNetwork:
    """Clips ``(B, 3, T, H, W)`` float32 in [0, 1], T at most ``clip_length``, to logits.

    Clips that are shorter than ``clip_length`` are filled up with their last frame. With up to
    ``context`` frames before the T and after them, those are looked at for motion (`Network`); the
    rest of ``context`` is black. ``about``: the header of the file (docs/runtimes.md);
    ``recommended``: settings it names, for `Settings.recommended_by`. Raises `InputError` for
    longer clips and more context.
    """

    def __init__(
        self, path: Path, compute: Callable[[np.ndarray], np.ndarray], about: dict[str, Any]
    ) -> None:
        self.path, self._compute, self.about = path, compute, about
        self.clip_length: int = about["clip_length"]
        self.context: int = about.get("context", 0)
        self.takes_context = self.context > 0
        fixed = {"clip_length": self.clip_length, "context": self.context}
        self.recommended = {**about.get("recommended", {}), **fixed}

    def __call__(self, clip: Tensor, context: int = 0) -> Tensor:
        length = clip.shape[2] - 2 * context
        if length > self.clip_length:
            raise InputError(
                f"{self.path}: was exported for clips of {self.clip_length} frames, not {length}",
                f"give --clip-length {self.clip_length}, or export again",
            )
        if context > self.context:
            raise InputError(
                f"{self.path}: was exported for a context of {self.context} frames, not {context}",
                f"give --context {self.context}, or export again",
            )
        if clip.shape[2] < self.clip_length + 2 * self.context:
            before, own, after = clip.split([context, length, context], dim=2)
            last = own[:, :, -1:].expand(-1, -1, self.clip_length - length, -1, -1)
            black = clip.new_zeros(*clip.shape[:2], self.context - context, *clip.shape[3:])
            clip = torch.cat([black, before, own, last, after, black], dim=2)
        logits = [self._logits(one[None].contiguous().cpu().numpy()) for one in clip]
        return torch.from_numpy(np.concatenate(logits))[:, :, :length]

    def _logits(self, clip: np.ndarray) -> np.ndarray:
        """Of one clip with its context, of float32 ``(1, 1 or 2, T, h, w)``."""
        try:
            logits = np.asarray(self._compute(clip))
        except Exception as error:  # both runtimes have exceptions of their own
            raise InputError(
                f"{self.path}: cannot compute a clip ({shortly(error)})", "export it again"
            ) from None
        shape = logits.shape
        if (
            len(shape) != 5
            or (shape[0], shape[2] + 2 * self.context) != (clip.shape[0], clip.shape[2])
            or (shape[1] not in (1, 2) or 0 in shape or logits.dtype != np.float32)
        ):
            raise InputError(
                f"{self.path}: gives {logits.dtype} {shape} for a clip {clip.shape}, no logits",
                "export it again",
            )
        return logits


def open_exported(path: str | Path, runtime: Runtime | None = None) -> ExportedNetwork:
    """Open a file of `3dcseg export`; by default with what its ending says (`ENDINGS`).

    Raises `InputError` for a file that is missing, damaged or not ours, and for a runtime that is
    not installed or does not read it.
    """
    path = Path(path)
    runtime = runtime or ENDINGS.get(path.suffix)
    if runtime is None:
        raise InputError(f"{path}: exported networks end in {' or '.join(ENDINGS)}")
    if not path.is_file():
        raise InputError(f"{path}: no such file", "make it with `3dcseg export`")
    if runtime == "onnxruntime" and path.suffix != ".onnx":
        raise InputError(f"{path}: ONNX Runtime reads .onnx files only", "try --runtime openvino")
    try:
        return _open_onnx(path) if runtime == "onnxruntime" else _open_openvino(path)
    except InputError:
        raise
    except Exception as error:  # both runtimes have exceptions of their own for damaged files
        reason = shortly(error) or repr(error)
        raise InputError(
            f"{path}: cannot be read by {runtime} ({reason})", "export it again"
        ) from None


def is_exported(name_or_path: str) -> bool:
    """Whether this names a file of `3dcseg export` rather than weights."""
    return Path(name_or_path).suffix in ENDINGS


def provenance(path: str | Path, runtime: Runtime | None = None) -> dict[str, str]:
    """What the record of a run should say of an exported network."""
    path = Path(path)
    digest = hashlib.sha256()
    for part in (path, path.with_suffix(".bin")) if path.suffix == ".xml" else (path,):
        with open(part, "rb") as file:  # of OpenVINO's, the weights lie beside the graph
            while block := file.read(1 << 20):
                digest.update(block)
    runtime = runtime or ENDINGS[path.suffix]
    return {"model": path.name, "runtime": runtime, "weights_sha256": digest.hexdigest()}


def runtime_package(name: str) -> ModuleType:
    """Import a package of a runtime; raises `InputError` saying how to get it."""
    extra = "openvino" if name == "openvino" else "onnx"
    module = package(name, extra, "an exported network")
    if hasattr(module, "disable_telemetry_events"):  # ONNX Runtime's, which tells its makers of use
        module.disable_telemetry_events()
    return module


def _open_onnx(path: Path) -> ExportedNetwork:
    onnxruntime = runtime_package("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that wait sleep, where other programs want the cores (`waiting`).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        str(path), options, onnxruntime.get_available_providers()
    )
    about = _header(path, session.get_modelmeta().custom_metadata_map.get(HEADER))
    return ExportedNetwork(path, lambda clip: session.run(None, {"clip": clip})[0], about)


def _open_openvino(path: Path) -> ExportedNetwork:
    openvino = runtime_package("openvino")
    core = openvino.Core()
    model = core.read_model(str(path))
    if path.suffix == ".onnx":
        header = runtime_package("onnxruntime").InferenceSession(str(path)).get_modelmeta()
        about = _header(path, header.custom_metadata_map.get(HEADER))
    else:
        given = model.has_rt_info([HEADER])
        about = _header(path, model.get_rt_info([HEADER]).astype(str) if given else None)
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = core.compile_model(model, "CPU", {**hints, "INFERENCE_PRECISION_HINT": "f32"})
    return ExportedNetwork(path, lambda clip: compiled([clip])[0].copy(), about)


def _header(path: Path, text: str | None) -> dict[str, Any]:
    if text is None:
        raise InputError(f"{path}: is not a file of `3dcseg export`: it has no header of ours")
    try:
        return About.model_validate_json(text).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path}: damaged, its header: {where} {first['msg']}", "export it again"
        ) from None
