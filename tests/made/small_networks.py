"""Every encoder, bridge and refinement in a size that a test can afford."""

import torch

from threedcseg.models.encoders.csn import CSN
from threedcseg.models.encoders.encoder import Encoder
from threedcseg.models.encoders.r2plus1d import R2Plus1D
from threedcseg.models.encoders.resnet2d import ResNet2D
from threedcseg.models.network import SegmentationNetwork
from threedcseg.models.networks.paper import threedc_seg

DEPTHS = (2, 1, 2, 1)
ENCODERS = {
    "ir-csn": lambda: CSN("reduced", DEPTHS, width=8),
    "ip-csn": lambda: CSN("preserved", DEPTHS, width=8),
    "ip-csn-padded": lambda: CSN("preserved", DEPTHS, width=8, time_padding=3),
    "r2plus1d": lambda: R2Plus1D(DEPTHS, width=8),
    "r2plus1d-pool": lambda: R2Plus1D(DEPTHS, width=8, pool=True),
    "resnet": lambda: ResNet2D(DEPTHS, width=8),
    "resnet-dilated": lambda: ResNet2D(DEPTHS, width=8, dilated=True),
}
BRIDGES = ("gc3d", "c3d", "nl3d", "aspp3d")
REFINEMENTS = ("rf3d", "simple", "upsampling")
NETWORKS = {
    **{f"{encoder}, gc3d, rf3d": (encoder, "gc3d", "rf3d") for encoder in ENCODERS},
    **{f"ir-csn, {bridge}, rf3d": ("ir-csn", bridge, "rf3d") for bridge in BRIDGES[1:]},
    **{f"ir-csn, gc3d, {name}": ("ir-csn", "gc3d", name) for name in REFINEMENTS[1:]},
}
"""One change at a time from the paper's network."""


def small_encoder(name: str) -> Encoder:
    return ENCODERS[name]()


def small_network(
    encoder: str = "ir-csn", bridge: str = "gc3d", refinement: str = "rf3d", **options
) -> SegmentationNetwork:
    return threedc_seg(small_encoder(encoder), bridge, refinement, channels=32, **options)


def clip(frames: int = 4, height: int = 32, width: int = 48, seed: int = 0) -> torch.Tensor:
    """Smooth noise in [0, 1], ``(1, 3, T, H, W)``."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, frames, 4, 6, generator=generator)
    return torch.nn.functional.interpolate(coarse, (frames, height, width), mode="trilinear")
