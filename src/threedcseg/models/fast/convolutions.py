"""Convolutions in several ways, the fastest of which is found by timing.

Each also does what comes before and after it: ReLUs and the addition of a residual.
"""

import time
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threedcseg.models.fast import onednn, winograd
from threedcseg.models.layout import to_clip, to_frames

Method = Literal["direct", "taps"] | winograd.Tile
"""How a 3x3x3 convolution is computed: by torch, by 2D taps (step 4), or by Winograd tiles."""

FEW_OUTPUTS = 8
MEASURED_VOXELS = 52_000  # methods are timed on so many voxels: rows from the top of the clip


def may_be_fast(*tensors: Tensor) -> bool:
    """Whether unrecorded, in-place float32 operations on the CPU are what is wanted."""
    return (
        unrecorded_on_cpu(*tensors)
        and all(t.dtype == torch.float32 for t in tensors)
        and not torch.is_autocast_enabled("cpu")
    )


def unrecorded_on_cpu(*tensors: Tensor) -> bool:
    """Whether operations on the CPU are wanted, for neither a gradient nor an export."""
    return (
        all(t.device.type == "cpu" for t in tensors)
        and not (torch.is_grad_enabled() and any(t.requires_grad for t in tensors))
        and not torch.jit.is_tracing()
        and not torch.compiler.is_compiling()
    )


class Methods:
    """Which method is the fastest for each shape."""

    def __init__(self) -> None:
        self._fastest: dict[tuple[int, ...], Method] = {}

    def __reduce__(self) -> tuple[type["Methods"], tuple[()]]:
        return Methods, ()  # copies and pickles begin anew

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
        if not may_be_fast(x, self.weight):
            return self.by("direct", x, residual)
        return self.by(self.methods.fastest(self, x), x, residual, out)

    def methods_for(self, frames: int) -> list[Method]:
        """The methods worth trying for clips of that many frames, the boldest first."""
        if self.out_channels <= FEW_OUTPUTS:
            return ["taps", "direct"]
        if min(self.in_channels, self.out_channels) < 32:  # transforms outweigh products
            return ["direct"]
        if frames == 1:
            return ["direct"]
        if frames <= 3:
            return [(2, 2, 2), "direct"]
        return [(4, 4, 4), "direct"]

    def by(
        self, method: Method, x: Tensor, residual: Tensor | None = None, out: Tensor | None = None
    ) -> Tensor:
        """Compute by the given method."""
        if isinstance(method, tuple):
            return winograd.conv3d(
                x,
                self.weight,
                self.bias,
                method,
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
        if not may_be_fast(x, self.weight):
            y = super().forward(x)
            y = y if residual is None else y.add_(residual)
            return y.relu_() if self.relu else y
        x = x[:, :, :: self.stride[0], :: self.stride[1], :: self.stride[2]]
        frames = to_frames(x).contiguous(memory_format=torch.channels_last)  # (B * T, C, H, W)
        weight, added = self.weight[..., 0], None if residual is None else to_frames(residual)
        if onednn.fuses(x.dtype):
            y = onednn.convolve(
                frames,
                weight,
                self.bias,
                activation="relu" if self.relu else "none",
                residual=added,
                overwrite=residual is out,
            )
        else:
            y = F.conv2d(frames, weight, self.bias)
            y = y if added is None else y.add_(added)
            y = y.relu_() if self.relu else y
        return to_clip(y, len(x))
