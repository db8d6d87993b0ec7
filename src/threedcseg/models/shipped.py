"""Weights that ship with the package: ``cards/NAME.safetensors``, each with its card.

NAME.md says what it is, NAME.json its sha256 and licence.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

from threedcseg.errors import InputError
from threedcseg.models.weights import HEADER

CARDS = Path(__file__).parent / "cards"


def card_of(name: str) -> dict[str, Any] | None:
    """What NAME.json says of weights that ship (`sha256`, `licence`, ...); None if none do."""
    card = CARDS / f"{name}.json"
    return json.loads(card.read_text()) if card.is_file() else None


def shipped_weights(name: str) -> Path | None:
    """The file that a name ships with, None if none does.

    Raises `InputError` unless it is the one that its card speaks of.
    """
    path = CARDS / f"{name}.safetensors"
    if not path.is_file():
        return None
    card = card_of(name)
    if card is None or card["sha256"] != sha256_of(path):
        raise InputError(f"{path}: damaged (its sha256 is not its card's)", "install 3dcseg again")
    return path


def shipped_options(name: str) -> dict[str, Any]:
    """The options of the network that a name ships with; none for a name that ships with none."""
    path = CARDS / f"{name}.safetensors"
    if not path.is_file():
        return {}
    with safe_open(path, framework="pt") as file:
        options: dict[str, Any] = json.loads(file.metadata()[HEADER])["options"]
    return options


def sha256_of(path: Path) -> str:
    """Of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
