"""Test-time augmentation: the mean of a network's logits over several views of a clip."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from threedcseg.inference.settings import VIEWS

Network = Callable[..., Tensor]
"""Any callable from clips ``(B, 3, T, H, W)`` in [0, 1] to logits ``(B, K, T, H, W)``.

One whose ``takes_context`` is true is also called with ``context``, a number of frames that its
clips have before the T and after them; those that are not there are black.
"""


def mean_logits(
    clip: Tensor, network: Network, count: int, multiple: int, context: int = 0
) -> Tensor:
    """Logits ``(B, K, T, H, W)`` float32 of ``(B, 3, T + 2 context, H, W)``: over the first
    ``count`` `VIEWS`.

    The smaller views have sides of multiples of ``multiple`` pixels.
    """
    if context:
        network = partial(network, context=context)
    views = VIEWS[:count]
    return torch.stack([_logits(clip, network, *view, multiple) for view in views]).mean(0)


def _logits(clip: Tensor, network: Network, scale: float, mirrored: bool, multiple: int) -> Tensor:
    """Of one view, brought back to the clip's size and sides."""
    if mirrored:
        return _logits(clip.flip(-1), network, scale, False, multiple).flip(-1)
    if scale == 1:
        return network(clip).float()
    size = list(clip.shape[-2:])
    smaller = [max(1, round(side * scale / multiple)) * multiple for side in size]
    return _resized(network(_resized(clip, smaller)).float(), size)


def _resized(clip: Tensor, size: list[int]) -> Tensor:
    """``(B, C, T, H, W)`` to ``(B, C, T, *size)``, frame by frame."""
    frames = clip.transpose(1, 2).flatten(0, 1)  # (B T, C, H, W)
    frames = nn.functional.interpolate(frames, size, mode="bilinear", antialias=True)
    return frames.unflatten(0, (clip.shape[0], -1)).transpose(1, 2)
