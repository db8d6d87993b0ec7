"""Any published checkpoint to weights of ours: detect its make, rename, check, report."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from threedcseg.errors import InputError
from threedcseg.models.conversion import networks
from threedcseg.models.conversion.encoders import ENCODER_LAYOUTS, EncoderLayout
from threedcseg.models.conversion.reading import Checkpoint, read_checkpoint
from threedcseg.models.meta import on_meta
from threedcseg.models.registry import ENCODERS, create_model
from threedcseg.models.weights import listed, raise_if_any


@dataclass
class Converted:
    """Weights under our names, the header to store with them, and what was left out and why."""

    state: dict[str, Tensor]
    metadata: dict[str, Any]
    dropped: dict[str, list[str]] = field(default_factory=dict)


def convert(path: str | Path) -> Converted:
    """Read a checkpoint of any known make.

    Raises `InputError` for a file that cannot be read or asks to run code, for an unknown make,
    and, naming them, for tensors that are missing, unexpected or of another shape.
    """
    path = Path(path)
    checkpoint = read_checkpoint(path)
    if networks.is_published(checkpoint.tensors):
        converted = _network(checkpoint, path)
    else:
        converted = _encoder(checkpoint, path)
    converted.metadata["source"] |= {"file": path.name, "sha256": checkpoint.sha256}
    converted.dropped = checkpoint.dropped | converted.dropped
    return converted


def _encoder(checkpoint: Checkpoint, path: Path) -> Converted:
    tensors = checkpoint.tensors
    layout = _most_similar(
        [layout for layout in ENCODER_LAYOUTS if layout.caffe2 == checkpoint.caffe2], tensors, path
    )
    name = _encoder_name(layout, tensors, path)
    with on_meta():
        encoder = ENCODERS.build(name)
    wanted = layout.names(encoder.state_dict())
    state, dropped = rename(tensors, encoder, wanted, layout.dropped, f"{path} ({layout.kind})")
    mean, std = layout.normalisation
    metadata = {
        "encoder": name,
        "mean": mean,
        "std": std,
        "bn_eps": layout.bn_eps,
        "clip_length": layout.clip_length,
        "licence": layout.licence,
        "source": {"kind": layout.kind},
    }
    return Converted(state, metadata, dropped)


def _network(checkpoint: Checkpoint, path: Path) -> Converted:
    tensors, copies = _without_copies(checkpoint.tensors, path)
    layout = _most_similar(list(networks.ENCODERS), tensors, path)
    bridge = networks.bridge_of(tensors)
    if bridge is None:
        raise InputError(f"{path}: a 3DC-Seg network with an unknown bridge")
    options = {
        "encoder": _encoder_name(layout, tensors, path),
        "bridge": bridge[0],
        "refinement": networks.refinement_of(tensors),
    }
    with on_meta():
        network = create_model("3dc-seg", **options)
    wanted = layout.names(network.encoder.state_dict())
    wanted = {f"encoder.{ours}": theirs for ours, theirs in wanted.items()}
    decoder = networks.decoder_names(network.decoder.state_dict(), bridge[1], options["refinement"])
    wanted |= {f"decoder.{ours}": theirs for ours, theirs in decoder.items()}
    wanted |= {"mean": "encoder.mean", "std": "encoder.std"}
    origin = f"{path} ({layout.kind})"
    state, dropped = rename(tensors, network, wanted, networks.DROPPED, origin)
    state["mean"] = state["mean"] / 255  # theirs is for pixels of 0..255, ours for 0..1
    metadata = {
        "model": "3dc-seg",
        "options": options,
        "mean": state["mean"].flatten().tolist(),
        "std": state["std"].flatten().tolist(),
        "bn_eps": layout.bn_eps,
        "clip_length": 8,
        "licence": "MIT",
        "source": {"kind": layout.kind},
    }
    return Converted(state, metadata, dropped | copies)


def rename(
    tensors: Mapping[str, Tensor],
    module: nn.Module,
    wanted: Mapping[str, str],
    dropped: Mapping[str, str],
    origin: str,
) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """The state of ``module`` from ``tensors``, where key k is called ``wanted[k]``.

    Names that match a pattern of ``dropped`` are left out; the second result lists them by reason.
    Batch counters (`num_batches_tracked`) may be missing. Raises `InputError` for any other
    tensor that is missing, left over or of another shape.
    """
    own = module.state_dict()
    left_out: dict[str, list[str]] = {}
    unexpected: list[str] = []
    for name in tensors.keys() - set(wanted.values()):
        reason = next((why for what, why in dropped.items() if re.fullmatch(what, name)), None)
        (unexpected if reason is None else left_out.setdefault(reason, [])).append(name)
    missing, misshapen, state = [], [], {}
    for key, name in wanted.items():
        if name in tensors and tensors[name].shape == own[key].shape:
            state[key] = tensors[name].to(own[key].dtype)
        elif name in tensors:
            shapes = f"{tuple(tensors[name].shape)} instead of {tuple(own[key].shape)}"
            misshapen.append(f"{name} {shapes}")
        elif key.endswith("num_batches_tracked"):
            state[key] = torch.zeros((), dtype=own[key].dtype)
        else:
            missing.append(name)
    problems = {"missing": missing, "unexpected": sorted(unexpected), "of another shape": misshapen}
    raise_if_any(problems, origin)
    return state, left_out


def _most_similar(
    layouts: list[EncoderLayout], tensors: dict[str, Tensor], path: Path
) -> EncoderLayout:
    """The make most similar to ``tensors``; among equals, the one with more units."""

    def score(layout: EncoderLayout) -> tuple[float, int]:
        stem = layout.names([f"{next(iter(layout.stem))}.weight"]).popitem()[1]
        dims = tensors[stem].dim() if stem in tensors else 0
        fits = dims == layout.kernel_dims + 2
        return layout.similarity(tensors) * fits, len(layout.blocks)

    best = max(layouts, key=score)
    if score(best)[0] <= 0.5:
        raise InputError(
            f"{path}: no known make of checkpoint (it has {listed(sorted(tensors))}); known are "
            f"3DC-Seg networks and encoders of {', '.join({x.kind: None for x in ENCODER_LAYOUTS})}"
        )
    return best


def _encoder_name(layout: EncoderLayout, tensors: dict[str, Tensor], path: Path) -> str:
    blocks = layout.number_of_blocks(tensors)
    if blocks not in layout.encoders:
        known = " or ".join(f"{count} ({name})" for count, name in layout.encoders.items())
        raise InputError(f"{path} ({layout.kind}): {blocks} blocks, expected {known}")
    return layout.encoders[blocks]


def _without_copies(
    tensors: dict[str, Tensor], path: Path
) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """Leave out the second name of each tensor of the backbone, after comparing the two."""
    copies, kept = [], {}
    for name, tensor in tensors.items():
        first = name.replace(networks.COPY, "encoder.", 1)
        if name.startswith(networks.COPY) and first in tensors:
            if not torch.equal(tensor, tensors[first]):
                raise InputError(f"{path}: damaged, {first} and its copy {name} differ")
            copies.append(name)
        else:
            kept[name] = tensor
    return kept, {"second name of the same tensor": copies} if copies else {}
