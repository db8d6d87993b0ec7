"""From a name or a file to a network, ready to segment or to be trained."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from threedcseg.errors import InputError
from threedcseg.models.conversion.convert import convert
from threedcseg.models.conversion.reading import LEGACY, ZIP
from threedcseg.models.device import Precision, pick_device, pick_precision
from threedcseg.models.fast.prepare import prepare_on
from threedcseg.models.meta import on_meta
from threedcseg.models.network import SegmentationNetwork
from threedcseg.models.registry import MODELS, create_model
from threedcseg.models.shipped import sha256_of, shipped_weights
from threedcseg.models.weights import fill, load_weights, set_bn_eps


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
    ``precision`` of the computation: "auto" is float32, unless the weights' card recommends less
    and the device computes in it (`pick_precision`). To go on training, see `load_network`. What
    comes out has the ``recommended`` settings of the file as an attribute, for
    `Settings.recommended_by`.
    Raises `InputError` where any of this does not fit together.
    """
    where = pick_device(device)
    network, metadata = load_network(name_or_path, weights)
    dtype = pick_precision(precision, where, metadata.get("precision"))
    loaded = prepare_on(network, where, dtype)
    loaded.recommended = network.recommended  # type: ignore[assignment]
    return loaded


def provenance(name_or_path: str, weights: str | Path | None = None) -> dict[str, str]:
    """What the record of a run should say of its weights: name, file and sha256."""
    path = _file_of(name_or_path, weights)
    return {"model": name_or_path, "weights": path.name, "weights_sha256": sha256_of(path)}


def load_network(
    name_or_path: str, weights: str | Path | None = None
) -> tuple[SegmentationNetwork, dict[str, Any]]:
    """The plain network on the CPU, as it was trained, and its metadata; see `load_model`.

    Its ``recommended`` settings are those of the metadata, and the clip length of its training.
    """
    expected = MODELS[name_or_path].name if weights is not None else None
    path = _file_of(name_or_path, weights)
    state, metadata = _read(path)
    if "model" not in metadata:
        raise InputError(
            f"{path}: holds the encoder {metadata['encoder']} only, no decoder", "train it first"
        )
    if expected not in (None, metadata["model"]):
        raise InputError(f"{path}: weights of the model {metadata['model']!r}, not {expected!r}")
    network = rebuild(state, metadata, str(path))
    length = metadata.get("clip_length")
    clip = {"clip_length": length} if length else {}
    network.recommended = {**metadata.get("settings", {}), **clip}
    return network, metadata


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
    for name in {"mean", "std"} & metadata.keys():
        buffer = getattr(network, name)
        buffer.copy_(torch.tensor(metadata[name]).reshape(buffer.shape))


def _file_of(name_or_path: str, weights: str | Path | None) -> Path:
    """The file of weights that was asked for; it may not be there."""
    if weights is not None:
        return Path(weights)
    shipped = shipped_weights(name_or_path)
    if shipped is not None:
        return shipped
    if name_or_path in MODELS:
        raise InputError(
            f"no weights ship with the model {name_or_path!r}",
            "give --weights FILE, made by `3dcseg train` or `3dcseg convert`",
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
