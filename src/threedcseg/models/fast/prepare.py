"""The inference path: the same weights and the same output in a third of the time.

`prepare_for_inference` copies a network for inference on a CPU:

1. Batch norms are folded into the convolutions before them.
2. Everything runs channels-last. Then a 1x1x1 convolution is a matrix product on the clip as it
   lies in memory; done some rows at a time, its result meets the residual addition and the ReLU
   while it is still in the cache.
3. The 3x3x3 convolutions, 94 % of the paper's network, are done by Winograd's method
   (`threedcseg.models.fast.winograd`) where a measurement on the first clip of a shape says that it
   pays; RF3D fuses the ReLUs and additions around them, and writes in place.
4. A 3x3x3 convolution with few outputs (the prediction head) becomes a 2D convolution with three
   outputs for each, one a tap in time, which are shifted and added.

Results differ from the plain module's by rounding only (docs/performance.md). On another device or
dtype, under autocast, where gradients are recorded, and while a model is exported or compiled,
each part computes what it stands for with torch's own operators.
"""

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threedcseg.models.blocks import upsample
from threedcseg.models.encoders.residual import Residual
from threedcseg.models.fast import winograd
from threedcseg.models.refinement import RF3D

Convolution = nn.Conv2d | nn.Conv3d
BatchNorm = nn.BatchNorm2d | nn.BatchNorm3d
Method = Literal["direct", "taps"] | winograd.Tile
"""How a 3x3x3 convolution is computed: by torch, by 2D taps (step 4), or by Winograd tiles."""

FEW_OUTPUTS = 8
MEASURED_VOXELS = 52_000  # methods are timed on so many voxels: rows from the top of the clip
POINTWISE_ROWS = 2048  # voxels of a 1x1x1 convolution's result finished at a time


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


def prepare_for_gpu(
    model: nn.Module,
    device: torch.device | str = "cuda",
    autocast: torch.dtype | None = None,
    compiled: bool = False,
) -> nn.Module:
    """A copy of ``model`` for inference on a GPU; **never run on one so far, only on a CPU**.

    Batch norms are folded, as for a CPU; the convolutions are the GPU's
    own, channels-last. ``autocast`` computes them in `torch.float16` or `torch.bfloat16`, with
    results of that precision; ``compiled`` passes the copy through `torch.compile`. The copy takes
    clips on ``device`` and returns float32 logits.
    """
    prepared = prepare_for_inference(model).to(device)
    for parameter in prepared.parameters():
        if parameter.dim() == 5:
            parameter.data = parameter.contiguous(memory_format=torch.channels_last_3d)
    return Autocast(torch.compile(prepared) if compiled else prepared, autocast)  # type: ignore[arg-type]


class Autocast(nn.Module):
    """A model under autocast to ``dtype`` (None: as it is); float32 out."""

    def __init__(self, model: nn.Module, dtype: torch.dtype | None) -> None:
        super().__init__()
        self.model, self.dtype = model, dtype

    def forward(self, clip: Tensor) -> Tensor:
        with torch.autocast(clip.device.type, self.dtype, enabled=self.dtype is not None):
            logits: Tensor = self.model(clip.contiguous(memory_format=torch.channels_last_3d))
        return logits.float()


class Methods:
    """Which method is the fastest for each shape, and the scratch memory that methods share."""

    def __init__(self) -> None:
        self._fastest: dict[tuple[int, ...], Method] = {}
        self._workspaces: list[winograd.Workspace] = []

    def __reduce__(self) -> tuple[type["Methods"], tuple[()]]:
        return Methods, ()  # copies and pickles begin anew

    @contextmanager
    def workspace(self) -> Iterator[winograd.Workspace]:
        """Scratch memory for one call; concurrent calls have one each."""
        try:
            workspace = self._workspaces.pop()
        except IndexError:
            workspace = winograd.Workspace()
        yield workspace
        self._workspaces.append(workspace)

    def fastest(self, conv: "FastConv3d", clip: Tensor) -> Method:
        """The method for a convolution on clips of this shape, timed at the first call."""
        shape = (*clip.shape, conv.out_channels, torch.get_num_threads())
        if shape not in self._fastest:
            rows = max(8, MEASURED_VOXELS * clip.shape[3] // clip[:, 0].numel())
            part = clip[:, :, :, :rows].contiguous(memory_format=torch.channels_last_3d)
            seconds = {m: _seconds(conv, part, m) for m in conv.methods_for(clip.shape[2])}
            likely = [m for m, s in seconds.items() if s < 1.5 * min(seconds.values())]
            seconds = {m: _seconds(conv, part, m) for m in likely}  # without first-time costs
            self._fastest[shape] = min(seconds, key=seconds.__getitem__)
            self._workspaces.clear()  # those who lost may have needed more
        return self._fastest[shape]


def _seconds(conv: "FastConv3d", clip: Tensor, method: Method) -> float:
    start = time.perf_counter()
    conv.by(method, clip)
    return time.perf_counter() - start


class FastConv3d(nn.Conv3d):
    """A 3x3x3 convolution of stride and padding 1, and what comes before and after it:

    ``relu(conv(relu_input(x)) + residual)``, each ReLU if the attribute of its name is set. The
    result may take the place of ``out`` in memory, which may be ``residual``; only the returned
    tensor is sure to hold it.
    """

    def __init__(self, conv: nn.Conv3d, methods: Methods) -> None:
        super().__init__(conv.in_channels, conv.out_channels, 3, padding=1, device="meta")
        self.weight, self.bias = conv.weight, conv.bias
        self.relu_input = self.relu = False
        self.methods = methods

    def forward(
        self, x: Tensor, residual: Tensor | None = None, out: Tensor | None = None
    ) -> Tensor:
        if not _may_be_fast(x, self.weight):
            return self.by("direct", x, residual)
        return self.by(self.methods.fastest(self, x), x, residual, out)

    def methods_for(self, frames: int) -> list[Method]:
        """The methods worth trying for clips of that many frames, the boldest first."""
        if self.out_channels <= FEW_OUTPUTS:
            return ["taps", "direct"]
        if min(self.in_channels, self.out_channels) < 32:  # transforms outweigh products
            return ["direct"]
        if frames == 1:
            return [(0, 2, 0), (0, 0, 0), "direct"]
        if frames <= 3:
            return [(2, 2, 0), "direct"]
        return [(4, 4, 4), (4, 4, 0), "direct"]

    def by(
        self, method: Method, x: Tensor, residual: Tensor | None = None, out: Tensor | None = None
    ) -> Tensor:
        """Compute by the given method."""
        if isinstance(method, tuple):
            with self.methods.workspace() as workspace:
                return winograd.conv3d(
                    x,
                    self.weight,
                    self.bias,
                    method,
                    workspace,
                    relu_input=self.relu_input,
                    residual=residual,
                    relu=self.relu,
                    out=out,
                )
        if method == "taps":
            y = self._by_taps(x)
        else:
            y = super().forward(x.relu() if self.relu_input else x)
        y = y if residual is None else y.add_(residual)
        return y.relu_() if self.relu else y

    def _by_taps(self, x: Tensor) -> Tensor:
        """Convolve each frame with every tap in time, as outputs of one 2D convolution; add."""
        # (N, C, 3, 3, 3) to (3 * N, C, 3, 3): the 2D kernels of one tap after those of another.
        kernels = self.weight.movedim(2, 0).flatten(0, 1)
        kernels = kernels.contiguous(memory_format=torch.channels_last)
        y = x.new_zeros(len(x), self.out_channels, *x.shape[2:])
        if self.bias is not None:
            y += self.bias.view(-1, 1, 1, 1)
        for t in range(x.shape[2]):
            frame = x[:, :, t].relu() if self.relu_input else x[:, :, t]
            taps = F.conv2d(frame, kernels, padding=1).chunk(3, dim=1)
            for tap, place in zip(taps, (t + 1, t, t - 1), strict=True):
                if 0 <= place < x.shape[2]:
                    y[:, :, place] += tap
        return y


class PointwiseConv3d(nn.Conv3d):
    """A 1x1x1 convolution and what comes after it: ``relu(conv(x) + residual)``.

    The ReLU if ``relu`` is set. The result may take the place of ``out`` in memory, which may be
    ``residual``; only the returned tensor is sure to hold it.
    """

    def __init__(self, conv: nn.Conv3d) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            1,
            conv.stride,  # type: ignore[arg-type]
            device="meta",
        )
        self.weight, self.bias = conv.weight, conv.bias
        self.relu = False

    def forward(
        self, x: Tensor, residual: Tensor | None = None, out: Tensor | None = None
    ) -> Tensor:
        if not _may_be_fast(x, self.weight):
            y = super().forward(x)
            y = y if residual is None else y.add_(residual)
            return y.relu_() if self.relu else y
        x = x[:, :, :: self.stride[0], :: self.stride[1], :: self.stride[2]]
        x = x.permute(0, 2, 3, 4, 1).contiguous()  # (B, T, H, W, C)
        shape = (*x.shape[:4], self.out_channels)
        voxels = x.view(1, -1, 1, self.in_channels).permute(0, 3, 1, 2)  # (1, C, voxels, 1)
        if residual is not None:
            residual = residual.permute(0, 2, 3, 4, 1).reshape(-1, self.out_channels)
        if voxels.shape[2] <= POINTWISE_ROWS or (residual is None and not self.relu):
            return self._some(voxels, residual).view(shape).permute(0, 4, 1, 2, 3)
        if out is None or not out.is_contiguous(memory_format=torch.channels_last_3d):
            out = x.new_empty(shape).permute(0, 4, 1, 2, 3)
        y = out.permute(0, 2, 3, 4, 1).view(-1, self.out_channels)
        for first in range(0, len(y), POINTWISE_ROWS):
            part = slice(first, first + POINTWISE_ROWS)
            added = None if residual is None else residual[part]
            y[part] = self._some(voxels[:, :, part], added)
        return out

    def _some(self, voxels: Tensor, residual: Tensor | None) -> Tensor:
        """``(1, C, voxels, 1)``, channels-last, to ``(voxels, N)``."""
        y = F.conv2d(voxels, self.weight[..., 0], self.bias)
        y = y.permute(0, 2, 3, 1).reshape(-1, self.out_channels)
        y = y if residual is None else y.add_(residual)
        return y.relu_() if self.relu else y


class FusedResidual(nn.Module):
    """`Residual` whose branch ends in a 1x1x1 convolution, which takes over addition and ReLU.

    With ``overwrites_input``, the result takes the place of the input in memory.
    """

    def __init__(self, branch: nn.Sequential, last: PointwiseConv3d, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch, self.last, self.shortcut = branch, last, shortcut
        self.last.relu = True
        self.overwrites_input = False

    def forward(self, x: Tensor) -> Tensor:
        residual = self.shortcut(x)
        own = self.overwrites_input or residual is not x
        return self.last(self.branch(x), residual=residual, out=residual if own else None)


class FusedRF3D(nn.Module):
    """`RF3D` whose additions and ReLUs happen inside its convolutions, `FastConv3d` all."""

    def __init__(self, module: RF3D) -> None:
        super().__init__()
        self.skip1, self.skip2, self.skip3 = module.skip1, module.skip2, module.skip3
        self.merge1, self.merge2 = module.merge1, module.merge2
        for conv in (self.skip2, self.merge1):
            assert isinstance(conv, FastConv3d)
            conv.relu_input = conv.relu = True

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        x = self.skip1(skip)
        y = self.skip2(x)
        x = self.skip3(y, residual=x, out=x)
        x = _add_upsampled(x, coarse)
        y = self.merge1(x, out=y)
        return self.merge2(y, residual=x, out=x)


def _add_upsampled(x: Tensor, coarse: Tensor) -> Tensor:
    """``x`` plus ``coarse`` upsampled trilinearly to its size; in place, frame by frame."""
    if not _may_be_fast(x, coarse):
        return x + upsample(coarse, like=x)
    frames, coarse_frames = x.shape[2], coarse.shape[2]
    for t in range(frames):
        at = max(0.0, (t + 0.5) * coarse_frames / frames - 0.5)  # align_corners=False
        before = min(int(at), coarse_frames - 1)
        after = min(before + 1, coarse_frames - 1)
        frame = torch.lerp(coarse[:, :, before], coarse[:, :, after], at - before)
        x[:, :, t] += F.interpolate(frame, x.shape[3:], mode="bilinear", align_corners=False)
    return x


def _may_be_fast(*tensors: Tensor) -> bool:
    """Whether unrecorded, in-place float32 operations on the CPU are what is wanted."""
    return (
        all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)
        and not (torch.is_grad_enabled() and any(t.requires_grad for t in tensors))
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()
        and not torch.compiler.is_compiling()
    )


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
        module.weight.data = module.weight.contiguous(memory_format=torch.channels_last)
    elif type(module) is Residual:
        return _replace_residual(module)
    elif type(module) is RF3D and all(isinstance(c, FastConv3d) for c in module.children()):
        return FusedRF3D(module)
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


def _replace_sequence(sequence: nn.Sequential, methods: Methods) -> nn.Sequential:
    """Without batch norms after convolutions; ReLUs beside fast convolutions are theirs."""
    kept: list[nn.Module] = []
    for module in sequence:
        conv = kept[-1] if kept else None
        if isinstance(conv, Convolution) and _is_fixed(module):
            _fold(conv, module)
        else:
            kept.append(module)
    fused: list[nn.Module] = []
    for module in (_replace(module, methods) for module in kept):
        before = fused[-1] if fused else None
        if type(module) is nn.ReLU and isinstance(before, PointwiseConv3d | FastConv3d):
            before.relu = True
            continue
        if isinstance(module, FastConv3d) and type(before) is nn.ReLU and not before.inplace:
            module.relu_input = True
            fused.pop()
        if isinstance(module, FusedResidual) and isinstance(before, FusedResidual):
            module.overwrites_input = True  # nobody else reads what the one before wrote
        fused.append(module)
    return nn.Sequential(*fused)


def _is_fixed(module: nn.Module) -> TypeGuard[BatchNorm]:
    """Whether a module is a batch norm that evaluates to a fixed scale and shift."""
    return isinstance(module, BatchNorm) and module.affine and module.track_running_stats


def _fold(conv: Convolution, norm: BatchNorm) -> None:
    """Give ``conv`` the weights that include ``norm``, computed in float64."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    scale = norm.weight.double() / torch.sqrt(variance.double() + norm.eps)
    weight = conv.weight.double() * scale.view(-1, *[1] * (conv.weight.dim() - 1))
    bias = norm.bias.double() - mean.double() * scale
    if conv.bias is not None:
        bias += conv.bias.double() * scale
    dtype = conv.weight.dtype
    conv.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
    conv.bias = nn.Parameter(bias.to(dtype), requires_grad=False)
