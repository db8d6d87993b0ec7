"""Gradient checkpointing: blocks that keep their inputs only and are computed again in `backward`.

A block's activations then live for its own backward pass alone, for a third more computation.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from threedcseg.models.network import SegmentationNetwork


def checkpoint_blocks(network: SegmentationNetwork) -> None:
    """Let every block of ``network`` be computed anew when its gradients are.

    Parameters, their names and the results stay what they were. Running statistics of batch norms
    are updated once.
    """
    for block in blocks(network):
        contexts = partial(_contexts, block)
        block.forward = partial(checkpoint, block.forward, use_reentrant=False, context_fn=contexts)


def blocks(network: SegmentationNetwork) -> list[nn.Module]:
    """The residual blocks of the encoder, the bridge and the refinements, none within another."""
    decoder = network.decoder
    return [*network.encoder.residual_blocks(), decoder.bridge, *decoder.refinements]


def _contexts(
    block: nn.Module,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _statistics_kept(block)


@contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """Within it, batch norms compute as before, and their running statistics stay."""
    norms = [part for part in block.modules() if isinstance(part, _BatchNorm) and part.training]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None
    try:
        yield
    finally:
        for norm, (momentum, batches) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, batches
