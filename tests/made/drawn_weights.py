"""Weights that any implementation can recreate: each tensor is drawn from its name.

The recipe of the golden files (`shared/golden/README.md`), with which the authors' published code
was run to make them.
"""

import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from threedcseg.models import create_model
from threedcseg.models.conversion import networks

BRIDGES = dict(reversed(networks.BRIDGES))
PORTS = {layout.encoders[50]: layout for layout in networks.ENCODERS[:2]}
MEAN, STD = (114.7748, 107.7354, 99.4750), (1.0, 1.0, 1.0)


@cache
def drawn(name: str, shape: tuple[int, ...]) -> Tensor:
    """The tensor of a checkpoint that is called ``name``."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    if name.endswith("running_mean") or name.endswith("bias"):
        values = 0.1 * generator.standard_normal(shape)
    elif name.endswith("running_var"):
        values = 0.5 + generator.random(shape)
    elif len(shape) == 1:
        values = 0.25 + 0.5 * generator.random(shape)
    else:
        values = generator.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def draw_into(module: nn.Module, names: Mapping[str, str] | None = None) -> nn.Module:
    """Fill ``module``, whose key k is called ``names[k]`` (default: k), and set it to evaluate.

    ``mean`` and ``std`` of a network stay.
    """
    own = module.state_dict()
    names = {key: key for key in own} if names is None else names
    state = {key: drawn(name, tuple(own[key].shape)) for key, name in names.items()}
    kept = {key: own[key] for key in ("mean", "std") if key in own}
    module.load_state_dict(state | kept)
    return module.eval()


def clip_of(frames: np.ndarray) -> Tensor:
    """``(T, H, W, 3)`` uint8 to a clip ``(1, 3, T, H, W)`` in [0, 1]."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 255


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


def published_network(encoder="ir-csn-152", bridge="gc3d", refinement="rf3d"):
    """The network with the drawn weights of the published checkpoint."""
    network = create_model("3dc-seg", encoder=encoder, bridge=bridge, refinement=refinement)
    layout = PORTS.get(encoder, networks.ENCODERS[0])
    names = {f"encoder.{k}": v for k, v in layout.names(network.encoder.state_dict()).items()}
    decoder = networks.decoder_names(network.decoder.state_dict(), BRIDGES[bridge], refinement)
    return draw_into(network, names | {f"decoder.{k}": v for k, v in decoder.items()})
