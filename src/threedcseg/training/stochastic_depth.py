"""Stochastic depth: in training, blocks of the encoder are now and then left out, clip by clip.

Huang et al., ECCV 2016; EfficientNet was trained with it on ImageNet.
"""

from typing import Any

import torch
from torch import Tensor, nn

from threedcseg.models.encoders.efficientnet import InvertedBottleneck


def drop_blocks(encoder: nn.Module, share: float) -> None:
    """Leave out ``share`` of what `InvertedBottleneck` blocks with a skip add, in training only.

    What is left counts the more, so that the mean stays.
    """

    def dropped(block: nn.Module, args: tuple[Any, ...], out: Tensor) -> Tensor:
        if not block.training:
            return out
        frames, batch = args  # (B*T, C, H, W), B
        kept = torch.rand((batch, 1, 1, 1, 1), device=out.device) >= share
        weight = (kept / (1 - share)).to(out.dtype)
        clips = (batch, -1)
        return torch.lerp(
            frames.to(out.dtype).unflatten(0, clips), out.unflatten(0, clips), weight
        ).flatten(0, 1)

    for block in encoder.modules():
        if isinstance(block, InvertedBottleneck) and block.skip:
            block.register_forward_hook(dropped)
