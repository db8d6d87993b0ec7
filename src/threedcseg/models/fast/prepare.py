"""The inference path: the same weights and the same output in a third of the time.

`prepare_for_inference` copies a network for inference on a CPU:

1. Batch norms are folded into the convolutions before them.
2. Everything runs channels-last. Then a 1x1x1 convolution is a matrix product on the clip as it
   lies in memory, which oneDNN adds to the residual and clamps before it is written.
3. The 3x3x3 convolutions, 94 % of the paper's network, are done by Winograd's method
   (`threedcseg.models.fast.winograd`) where a measurement on the first clip of a shape says that it
   pays; RF3D fuses the ReLUs and additions around them, and writes in place.
4. A 3x3x3 convolution with few outputs (the prediction head) becomes a 2D convolution with three
   outputs for each, one a tap in time, which are shifted and added.
5. The compact network's convolutions, which are 2D ones on frames, clamp and add while they write
   (`threedcseg.models.fast.frames`).

Results differ from the plain module's by rounding only (docs/performance.md). On another device or
dtype, under autocast, where gradients are recorded, and while a model is exported or compiled,
each part computes what it stands for with torch's own operators.
"""

import copy

import torch
from torch import Tensor, nn

from threedcseg.models.blocks import SeparableConv3d
from threedcseg.models.encoders.efficientnet import InvertedBottleneck
from threedcseg.models.encoders.residual import Residual
from threedcseg.models.fast.convolutions import FastConv3d, Methods, PointwiseConv3d
from threedcseg.models.fast.folding import Convolution, fold, is_fixed
from threedcseg.models.fast.frames import (
    FusedBottleneck,
    FusedConv2d,
    FusedLightRefinement,
    FusedSeparableConv3d,
    fuse_convolution,
)
from threedcseg.models.fast.fused import FusedResidual, FusedRF3D
from threedcseg.models.fast.layouts import FastestLayout
from threedcseg.models.fast.onednn import Activation
from threedcseg.models.refinement import RF3D, LightRefinement

_ACTIVATIONS: dict[type[nn.Module], Activation] = {nn.ReLU: "relu", nn.ReLU6: "relu6"}


def prepare_for_inference(model: nn.Module) -> nn.Module:
    """A copy of ``model`` in evaluation mode that computes the same, faster, on a CPU in float32.

    Weights that stay as they are share their memory with ``model``, which remains usable, also for
    training; prepare it anew afterwards. The copy is for inference: its parameters record no
    gradients (those of its input are recorded), and it overwrites intermediate results.

    The first clip of each shape takes longer, as the ways to compute each layer are timed. Which
    one wins may differ from process to process, and with it the last digits of the results.
    """
    with torch.inference_mode(False), torch.no_grad():
        return _replace(_copy_for_inference(model), Methods())


def prepare_on(
    model: nn.Module, device: torch.device, dtype: torch.dtype = torch.float32
) -> nn.Module:
    """A copy for inference on ``device``, computing in ``dtype``; takes and gives float32."""
    if device.type == "cuda":
        return prepare_for_gpu(model, device, dtype)
    prepared = prepare_for_inference(model).to(device)
    return prepared if dtype == torch.float32 else Autocast(prepared, dtype)


def prepare_for_gpu(model: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """A copy for inference on a GPU: the plain network, or one with folded batch norms,
    channels-last, whichever is faster on clips of a shape (`FastestLayout`)."""
    with torch.inference_mode(False), torch.no_grad():
        plain = _copy_for_inference(model).to(device)
    folded = prepare_for_inference(model).to(device)
    for parameter in folded.parameters():
        if parameter.dim() == 5:
            parameter.data = parameter.contiguous(memory_format=torch.channels_last_3d)
    return Autocast(FastestLayout(plain, folded), dtype)


class Autocast(nn.Module):
    """A model that computes in ``dtype`` on channels-last clips; float32 out."""

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.model, self.dtype = model, dtype
        self.takes_context = getattr(model, "takes_context", False)

    def forward(self, clip: Tensor, **given: int) -> Tensor:
        with torch.autocast(clip.device.type, self.dtype, enabled=self.dtype != torch.float32):
            logits: Tensor = self.model(
                clip.contiguous(memory_format=torch.channels_last_3d), **given
            )
        return logits.float()


def precision_of(network: nn.Module) -> str:
    """What a prepared network computes in: "float32", "bfloat16" or "float16"."""
    dtype = network.dtype if isinstance(network, Autocast) else torch.float32
    return str(dtype).removeprefix("torch.")


def _copy_for_inference(model: nn.Module) -> nn.Module:
    """A copy of the modules, in evaluation mode, on the same memory, recording no gradients."""
    tensors: dict[int, Tensor] = {
        id(p): nn.Parameter(p.detach(), requires_grad=False) for p in model.parameters()
    }
    return copy.deepcopy(model, tensors).eval()


def _replace(module: nn.Module, methods: Methods) -> nn.Module:
    """The fast counterpart of a module, after those of its children; itself if there is none."""
    if type(module) is nn.Sequential:
        return _replace_sequence(module, methods)
    for name, child in module.named_children():
        setattr(module, name, _replace(child, methods))
    if type(module) is nn.Conv3d:
        return _replace_convolution(module, methods)
    if type(module) is nn.Conv2d:
        known = module.padding_mode == "zeros" and isinstance(module.padding, tuple)
        return fuse_convolution(module) if known else module
    if type(module) is Residual:
        return _replace_residual(module)
    kinds = {type(child) for child in module.children()}
    if type(module) is InvertedBottleneck and isinstance(module.project, FusedConv2d):
        return FusedBottleneck(module)
    if type(module) is SeparableConv3d and isinstance(module.mix, FusedConv2d):
        return FusedSeparableConv3d(module)
    if type(module) is RF3D and kinds in ({FastConv3d}, {FusedSeparableConv3d}):
        return FusedRF3D(module)
    if type(module) is LightRefinement and kinds == {FusedConv2d, FusedSeparableConv3d}:
        return FusedLightRefinement(module)
    return module


def _replace_convolution(conv: nn.Conv3d, methods: Methods) -> nn.Module:
    if conv.groups == 1 and conv.dilation == (1, 1, 1) and conv.padding_mode == "zeros":
        if (conv.kernel_size, conv.stride, conv.padding) == ((3, 3, 3), (1, 1, 1), (1, 1, 1)):
            return FastConv3d(conv, methods)
        if (conv.kernel_size, conv.padding) == ((1, 1, 1), (0, 0, 0)):
            return PointwiseConv3d(conv)
    conv.weight.data = conv.weight.contiguous(memory_format=torch.channels_last_3d)
    return conv


def _replace_residual(module: Residual) -> nn.Module:
    """A `FusedResidual` if the branch ends in a 1x1x1 convolution and nothing after it."""
    if not isinstance(module.branch, nn.Sequential):
        return module
    *first, last = module.branch
    if type(last) is nn.Sequential and len(last) == 1:
        last = last[0]
    if not isinstance(last, PointwiseConv3d) or last.relu:
        return module
    return FusedResidual(nn.Sequential(*first), last, module.shortcut)


def _replace_sequence(sequence: nn.Sequential, methods: Methods) -> nn.Module:
    """Without batch norms after convolutions; ReLUs beside fast convolutions are theirs.

    A 2D convolution that is all that is left comes without the sequence.
    """
    kept: list[nn.Module] = []
    for module in sequence:
        conv = kept[-1] if kept else None
        if isinstance(conv, Convolution) and is_fixed(module):
            fold(conv, module)
        else:
            kept.append(module)
    fused: list[nn.Module] = []
    for module in (_replace(module, methods) for module in kept):
        before = fused[-1] if fused else None
        if type(module) is nn.ReLU and isinstance(before, PointwiseConv3d | FastConv3d):
            before.relu = True
            continue
        activation = _ACTIVATIONS.get(type(module))
        if activation and isinstance(before, FusedConv2d) and before.activation == "none":
            before.activation = activation
            continue
        if isinstance(module, FastConv3d) and type(before) is nn.ReLU and not before.inplace:
            module.relu_input = True
            fused.pop()
        if isinstance(module, FusedResidual) and isinstance(before, FusedResidual):
            module.overwrites_input = True  # nobody else reads what the one before wrote
        fused.append(module)
    if len(fused) == 1 and isinstance(fused[0], FusedConv2d):
        return fused[0]
    return nn.Sequential(*fused)
