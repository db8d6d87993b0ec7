"""A loss or gradient that is not a number: which clips it came from, and what to do."""

from pathlib import Path

import torch

from threedcseg.errors import InputError
from threedcseg.models.network import SegmentationNetwork
from threedcseg.training.batch import Batch
from threedcseg.training.losses import Loss, unit_range

NAMED = 2  # clips whose files are named; the others are counted


@torch.no_grad()
def sources_of_bad_losses(network: SegmentationNetwork, loss_of: Loss, batch: Batch) -> str:
    """The files of the clips that, each by itself, have no finite loss; "" if there are none."""
    device = next(network.parameters()).device
    bad = []
    for frames, masks, sources in zip(*batch, strict=True):
        logits = network(unit_range(frames[None], device), batch.context)
        if not loss_of(logits, unit_range(masks[None], device)).isfinite():
            bad.append(f"a clip of {', '.join(sources)}")
    more = [f"{len(bad) - NAMED} more clips"] if len(bad) > NAMED else []
    return "; ".join(bad[:NAMED] + more)


def bad_loss(loss: float, where: str, named: str, checkpoint: Path) -> InputError:
    """``named``: what `sources_of_bad_losses` found, of all processes."""
    return InputError(
        f"loss is {loss} at {where} ({named or 'no clip by itself'})",
        "look at these files or lower the learning rate, and start again from "
        f"{checkpoint}, the last good state",
    )


def bad_gradient(norm: float, where: str, checkpoint: Path) -> InputError:
    return InputError(
        f"gradient is {norm} at {where}",
        f"lower the learning rate and start again from {checkpoint}, the last good state",
    )
