"""How much memory a training step takes, found without taking it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from threedcseg.models.network import SegmentationNetwork
from threedcseg.training.gradient_checkpointing import blocks


@dataclass(frozen=True)
class Memory:
    """Bytes on each device that a run needs at the least.

    ``weights`` and their ``gradients``, what the ``optimizer`` (Adam) and the moving ``average``
    remember, and the ``activations`` that `forward` keeps for `backward`. Scratch space of
    convolutions, gradients of activations and the framework itself come on top.
    """

    weights: int
    gradients: int
    optimizer: int
    average: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.average + self.activations


def estimate_memory(
    network: SegmentationNetwork,
    shape: tuple[int, int, int, int, int],
    context: int = 0,
    *,
    half: bool = False,
    gradient_checkpointing: bool = False,
    average: bool = False,
) -> Memory:
    """Memory for training on clips of ``shape`` (B, 3, T + 2 context, H, W).

    ``network`` may live on the meta device, where this costs nothing. ``half``: computed in 16
    bits, to which the network is cast; ``average``: a moving average is kept.
    """
    tensors = [*network.parameters(), *network.buffers()]
    weights = 4 * sum(tensor.numel() for tensor in tensors)
    trained = 4 * sum(p.numel() for p in network.parameters() if p.requires_grad)
    if half:
        network = network.to(torch.bfloat16)
    return Memory(
        weights=weights + weights // 2 * half,  # autocast makes 16-bit copies
        gradients=trained,
        optimizer=2 * trained,
        average=weights * average,
        activations=_activations(network, shape, context, gradient_checkpointing),
    )


def _activations(
    network: SegmentationNetwork,
    shape: tuple[int, ...],
    context: int,
    gradient_checkpointing: bool,
) -> int:
    """Bytes that `forward` keeps; with gradient checkpointing, the blocks' inputs and, for the
    largest block, what it is computed again for: its activations and their gradients."""
    kept = _Storages()
    inputs = _Storages()
    weights = {parameter.untyped_storage()._cdata for parameter in network.parameters()}
    starts: list[int] = []
    sizes: list[int] = []  # of what each block keeps

    def enter(block: nn.Module, arguments: tuple[Any, ...]) -> None:
        starts.append(kept.total)
        for argument in arguments:
            if isinstance(argument, Tensor):
                inputs.add(argument)

    def leave(block: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        sizes.append(kept.total - starts.pop())

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage()._cdata not in weights:
            kept.add(tensor)
        return tensor

    hooks = []
    for block in blocks(network):
        hooks += [block.register_forward_pre_hook(enter), block.register_forward_hook(leave)]
    try:
        with saved_tensors_hooks(keep, lambda tensor: tensor):
            weight = next(network.parameters())
            network(torch.empty(shape, device=weight.device, dtype=weight.dtype), context)
    finally:
        for hook in hooks:
            hook.remove()
    if gradient_checkpointing:
        return kept.total - sum(sizes) + inputs.total + 2 * max(sizes)
    return kept.total


class _Storages:
    """Memory behind tensors, each counted once, however many views there are of it."""

    def __init__(self) -> None:
        self.total = 0
        self._held: dict[int, Tensor] = {}  # held, lest an address be used again

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._held:
            self._held[storage._cdata] = tensor
            self.total += storage.nbytes()
