"""From a name or a file to a network that is ready to segment."""

import hashlib
import json
from pathlib import Path
from typing import Any

from torch import Tensor

from threedcseg.errors import InputError
from threedcseg.models.conversion.convert import convert
from threedcseg.models.conversion.reading import LEGACY, ZIP
from threedcseg.models.network import SegmentationNetwork
from threedcseg.models.registry import MODELS, create_model
from threedcseg.models.skeleton import skeleton
from threedcseg.models.weights import fill, load_weights, pick_device, set_bn_eps

CARDS = Path(__file__).parent / "cards"
"""Weights that ship: NAME.safetensors, with NAME.md (what it is) and NAME.json (its sha256)."""


def load_model(
    name_or_path: str, device: str = "auto", weights: str | Path | None = None
) -> SegmentationNetwork:
    """A trained network in evaluation mode, on ``device``.

    ``name_or_path``: a name that ships with weights ("compact"), a file, or, with ``weights``, the
    name of the model that the file must hold. Files are `3dcseg convert`'s, a training run's, or
    a published checkpoint, which is converted on the way. ``device``: see `pick_device`.
    Raises `InputError` where any of this does not fit together.
    """
    where = pick_device(device)
    expected = MODELS[name_or_path].name if weights is not None else None
    path = Path(weights) if weights is not None else _weights_of(name_or_path)
    state, metadata = _read(path)
    if "model" not in metadata:
        raise InputError(
            f"{path}: holds the encoder {metadata['encoder']} only, no decoder: train it first"
        )
    if expected not in (None, metadata["model"]):
        raise InputError(f"{path}: weights of the model {metadata['model']!r}, not {expected!r}")
    network = rebuild(state, metadata, str(path))
    return network.to(where)


def rebuild(state: dict[str, Tensor], metadata: dict[str, Any], origin: str) -> SegmentationNetwork:
    """The network that ``metadata`` describes, filled with ``state``, in evaluation mode."""
    with skeleton():
        network = create_model(metadata["model"], **metadata.get("options", {}))
    fill(network, state, origin)
    set_bn_eps(network.encoder, metadata.get("bn_eps"))
    return network.eval()


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
