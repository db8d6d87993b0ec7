"""Encoders, bridges, refinements, decoder, whole networks; their names and their weights.

Every module of `encoders` and `networks` is imported here, found by its place, and enters what it
has into the registries.
"""

import importlib
import pkgutil

import threedcseg.models.bridges
import threedcseg.models.refinement  # noqa: F401
from threedcseg.models import encoders, networks
from threedcseg.models.loading import load_encoder, load_model, load_network, provenance
from threedcseg.models.registry import create_model

__all__ = ["create_model", "load_encoder", "load_model", "load_network", "provenance"]

for _package in (encoders, networks):
    for _module in pkgutil.iter_modules(_package.__path__, f"{_package.__name__}."):
        importlib.import_module(_module.name)
