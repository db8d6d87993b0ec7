"""From a name or a file to a network that is ready to segment."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from threedcseg.errors import InputError
from threedcseg.models.conversion.convert import convert
from threedcseg.models.conversion.reading import LEGACY, ZIP
from threedcseg.models.fast.prepare import Autocast, prepare_for_gpu, prepare_for_inference
from threedcseg.models.meta import on_meta
from threedcseg.models.network import SegmentationNetwork
from threedcseg.models.registry import MODELS, create_model
from threedcseg.models.weights import fill, load_weights, pick_device, set_bn_eps

Precision = Literal["auto", "float32", "bfloat16", "float16"]

CARDS = Path(__file__).parent / "cards"
"""Weights that ship: NAME.safetensors, with NAME.md (what it is) and NAME.json (its sha256)."""


def load_model(
    name_or_path: str,
    device: str = "auto",
    weights: str | Path | None = None,
    precision: Precision = "auto",
) -> nn.Module:
    """A trained network made ready to segment on ``device``; takes and gives float32 clips.

    ``name_or_path``: a name that ships with weights ("compact"), a file, or, with ``weights``, the
    name of the model that the file must hold. Files are `3dcseg convert`'s, a training run's, or
    a published checkpoint, which is converted on the way. ``device``: see `pick_device`.
    ``precision`` of the computation: "auto" is float32, unless the weights' card recommends
    bfloat16 and this CPU computes in it. To go on training, see `load_network`.
    Raises `InputError` where any of this does not fit together.
    """
    where = pick_device(device)
    network, metadata = load_network(name_or_path, weights)
    return ready(network, where, pick_precision(precision, where, metadata.get("precision")))


def provenance(name_or_path: str, weights: str | Path | None = None) -> dict[str, str]:
    """What the record of a run should say of its weights: name, file and sha256."""
    path = Path(weights) if weights is not None else _weights_of(name_or_path)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"model": name_or_path, "weights": path.name, "weights_sha256": digest}


def load_network(
    name_or_path: str, weights: str | Path | None = None
) -> tuple[SegmentationNetwork, dict[str, Any]]:
    """The plain network on the CPU, as it was trained, and its metadata; see `load_model`."""
    expected = MODELS[name_or_path].name if weights is not None else None
    path = Path(weights) if weights is not None else _weights_of(name_or_path)
    state, metadata = _read(path)
    if "model" not in metadata:
        raise InputError(
            f"{path}: holds the encoder {metadata['encoder']} only, no decoder: train it first"
        )
    if expected not in (None, metadata["model"]):
        raise InputError(f"{path}: weights of the model {metadata['model']!r}, not {expected!r}")
    return rebuild(state, metadata, str(path)), metadata


def ready(network: SegmentationNetwork, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """A copy of ``network`` for inference on ``device``, computing in ``dtype``."""
    if device.type == "cuda":
        return prepare_for_gpu(network, device, None if dtype == torch.float32 else dtype)
    prepared = prepare_for_inference(network).to(device)
    return prepared if dtype == torch.float32 else Autocast(prepared, dtype)


def pick_precision(
    precision: Precision, device: torch.device, recommended: str | None = None
) -> torch.dtype:
    """The dtype that ``precision`` means; raises `InputError` for one the device has not."""
    if precision not in get_args(Precision):
        raise InputError(
            f"unknown precision {precision!r}: give one of {', '.join(get_args(Precision))}"
        )
    if precision == "float16" and device.type == "cpu":
        raise InputError("float16 needs a GPU: give --precision bfloat16 or float32")
    if precision != "auto":
        return {
            "float32": torch.float32,
            "bfloat16": torch.bfloat16,
            "float16": torch.float16,
        }[precision]
    if recommended == "bfloat16" and device.type == "cpu" and _cpu_computes_bfloat16():
        return torch.bfloat16
    return torch.float32


def precision_of(network: nn.Module) -> str:
    """What a network made `ready` computes in: "float32", "bfloat16" or "float16"."""
    dtype = network.dtype if isinstance(network, Autocast) else None
    return str(dtype or torch.float32).removeprefix("torch.")


def _cpu_computes_bfloat16() -> bool:
    # Elsewhere oneDNN converts back and forth, which is slower than float32.
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())


def rebuild(state: dict[str, Tensor], metadata: dict[str, Any], origin: str) -> SegmentationNetwork:
    """The network that ``metadata`` describes, filled with ``state``, in evaluation mode."""
    with on_meta():
        network = create_model(metadata["model"], **metadata.get("options", {}))
    fill(network, state, origin)
    set_bn_eps(network.encoder, metadata.get("bn_eps"))
    return network.eval()


def load_encoder(network: SegmentationNetwork, path: str | Path) -> None:
    """Start the encoder of ``network`` from published weights, for training.

    ``path``: a file of `3dcseg convert`, a published checkpoint, or weights of a whole network
    whose encoder is then taken. Input normalisation and batch-norm epsilon become those that the
    weights were trained with. Raises `InputError` if they are another encoder's.
    """
    state, metadata = _read(Path(path))
    if "model" in metadata:
        inside = {key: tensor for key, tensor in state.items() if key.startswith("encoder.")}
        state = {key.removeprefix("encoder."): tensor for key, tensor in inside.items()}
    fill(network.encoder, state, str(path))
    set_bn_eps(network.encoder, metadata.get("bn_eps"))
    for buffer, values in ((network.mean, metadata["mean"]), (network.std, metadata["std"])):
        buffer.copy_(torch.tensor(values).reshape(buffer.shape))


def _weights_of(name_or_path: str) -> Path:
    """The file that a name ships with, or the file itself."""
    shipped = CARDS / f"{name_or_path}.safetensors"
    if shipped.is_file():
        _verify(shipped)
        return shipped
    if name_or_path in MODELS:
        raise InputError(
            f"no weights ship with the model {name_or_path!r}: give --weights FILE, "
            "made by `3dcseg train` or `3dcseg convert`"
        )
    path = Path(name_or_path)
    if not path.suffix and not path.exists():
        MODELS[name_or_path]  # raises, with the nearest names
    return path


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A file of ours, or a published checkpoint, by the way it begins."""
    if not path.is_file():
        raise InputError(f"{path}: no such file of weights")
    with open(path, "rb") as file:
        head = file.read(len(LEGACY))
    if head.startswith((ZIP, LEGACY)) or path.suffix in (".pth", ".pt", ".pkl"):
        converted = convert(path)
        return converted.state, converted.metadata
    return load_weights(path)


def card_of(name: str) -> dict[str, Any] | None:
    """What NAME.json says of weights that ship (`sha256`, `licence`, ...); None if none do."""
    card = CARDS / f"{name}.json"
    return json.loads(card.read_text()) if card.is_file() else None


def _verify(path: Path) -> None:
    """Raise `InputError` unless the file is the one that its card speaks of."""
    card = card_of(path.stem)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if card is None or card["sha256"] != sha256:
        raise InputError(f"{path}: damaged (its sha256 is not its card's): install 3dcseg again")
