"""Losses on foreground logits ``(B, 1, T, H, W)`` against masks {0, 1} of the same shape."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from threedcseg.errors import InputError

Loss = Callable[[Tensor, Tensor], Tensor]
"""Of logits and masks; a scalar."""


def unit_range(levels: Tensor, device: torch.device) -> Tensor:
    """Levels from 0 to 255 as float32 in [0, 1] on ``device``."""
    return levels.to(device, non_blocking=True).float() / 255


def foreground_logits(logits: Tensor) -> Tensor:
    """``(B, K, T, H, W)`` to the log-odds of foreground ``(B, 1, T, H, W)``, K = 1 or 2.

    For two channels the difference of the logits: its sigmoid is their softmax.
    """
    return logits if logits.shape[1] == 1 else logits[:, 1:] - logits[:, :1]


def cross_entropy(logits: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy, mean over pixels (section 3)."""
    return F.binary_cross_entropy_with_logits(logits, masks)


def dice(logits: Tensor, masks: Tensor) -> Tensor:
    """One minus the soft Dice coefficient of each frame, mean over frames; frames without
    foreground are left out (cross-entropy takes care of them)."""
    probabilities = logits.sigmoid().flatten(3)  # (B, 1, T, H*W)
    masks = masks.flatten(3)
    overlap = (probabilities * masks).sum(-1)
    total = probabilities.sum(-1) + masks.sum(-1)
    present = masks.sum(-1) > 0
    scores = torch.where(present, 1 - 2 * overlap / total.clamp(min=1e-6), 0.0)
    return scores.sum() / present.sum().clamp(min=1)


def boundary(logits: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy on the pixels within two of a mask's edge."""
    frames = masks.transpose(1, 2).flatten(0, 1)  # (B*T, 1, H, W)
    wide = F.max_pool2d(frames, 5, 1, 2)
    narrow = -F.max_pool2d(-frames, 5, 1, 2)
    near = (wide - narrow).unflatten(0, (masks.shape[0], -1)).transpose(1, 2)
    loss = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    return (loss * near).sum() / near.sum().clamp(min=1)


def edges(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy and intersection over union of each frame, pixels near an edge counted up to
    six times: the sum that F3Net (Wei, Wang and Huang, AAAI 2020) is trained with.

    How near is seen in a mean over 28 pixels, taken at a quarter of the resolution.
    """
    logits, masks = (x.transpose(1, 2).flatten(0, 1) for x in (logits, masks))  # (B*T, 1, H, W)
    around = F.avg_pool2d(F.avg_pool2d(masks, 4), 7, 1, 3, count_include_pad=False)
    around = F.interpolate(around, masks.shape[2:], mode="bilinear", align_corners=False)
    weight = 1 + 5 * (around - masks).abs()
    entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    entropy = (entropy * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))
    probabilities = logits.sigmoid()
    overlap = (probabilities * masks * weight).sum((1, 2, 3))
    union = ((probabilities + masks) * weight).sum((1, 2, 3)) - overlap
    return (entropy + 1 - (overlap + 1) / (union + 1)).mean()


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "dice": dice,
    "boundary": boundary,
    "edges": edges,
}


def weighted_loss(weights: Mapping[str, float]) -> Loss:
    """The sum of named losses by weight, as a function of network logits and masks.

    Mask values between 0 and 1 are void (`datasets.masks.VOID`): such pixels get no gradient.
    """
    for name in weights:
        if name not in LOSSES:
            raise InputError(f"unknown loss {name!r}", f"choose among {', '.join(LOSSES)}")

    def loss(logits: Tensor, masks: Tensor) -> Tensor:
        void = (masks > 0) & (masks < 1)  # counted as background that was predicted right
        foreground = foreground_logits(logits).float().masked_fill(void, -30.0)
        masks = masks.masked_fill(void, 0.0)
        parts = [weight * LOSSES[name](foreground, masks) for name, weight in weights.items()]
        return torch.stack(parts).sum()

    return loss
