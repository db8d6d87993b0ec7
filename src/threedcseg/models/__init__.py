"""Encoders, bridges, refinements, decoder, whole networks; their names and their weights."""

from threedcseg.models import compact as compact  # enters the registry
from threedcseg.models.loading import load_model
from threedcseg.models.registry import create_model

__all__ = ["create_model", "load_model"]
