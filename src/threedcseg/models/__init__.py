"""Encoders, bridges, refinements, decoder, whole networks; their names and their weights."""

# These enter the registries.
import threedcseg.models.bridges
import threedcseg.models.encoders.csn
import threedcseg.models.encoders.r2plus1d
import threedcseg.models.encoders.resnet2d
import threedcseg.models.networks.compact
import threedcseg.models.networks.paper
import threedcseg.models.refinement  # noqa: F401
from threedcseg.models.loading import load_encoder, load_model, load_network, provenance
from threedcseg.models.registry import create_model

__all__ = ["create_model", "load_encoder", "load_model", "load_network", "provenance"]
