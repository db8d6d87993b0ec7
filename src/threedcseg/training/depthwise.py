"""Depthwise convolutions of channels-last images in Triton: forward and both gradients.

The gradients that cuDNN has for them take several times as long as memory allows; these kernels
read every tensor a few times at most. A convolution in time is one of (3, 1) on time rows
(`models.layout`). Triton comes with torch on Linux with CUDA; without it `AVAILABLE` is false.
"""

# mypy: disallow-untyped-defs=False
# (kernels are not Python: what they take is typed where they are called)

from typing import Any

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

WARPS = 4
WIDEST = 5  # columns of a kernel
PROGRAMS = 4096  # that share the sums of a weight's gradient


def depthwise(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: tuple[int, int] = (0, 0),
    relu6: bool = False,
) -> Tensor:
    """``x (N, C, H, W)`` convolved with ``weight (C, 1, KH, KW)``, KW at most 5, channels-last.

    Sums are float32 whatever the type of ``x``, which is also that of the result.
    """
    if weight.shape[3] > WIDEST:
        raise ValueError(f"kernel of {weight.shape[3]} columns; there are at most {WIDEST}")
    out: Tensor = _Depthwise.apply(x, weight, bias, stride, padding, relu6)
    return out


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: int,
        padding: tuple[int, int],
        relu6: bool,
    ) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        count, channels, height, width = x.shape
        rows, columns = weight.shape[2:]
        out_height = (height + 2 * padding[0] - rows) // stride + 1
        out_width = (width + 2 * padding[1] - columns) // stride + 1
        taps = weight.detach().float().flatten(1).t().contiguous()  # (KH * KW, C)
        offsets = taps if bias is None else bias.detach().float().contiguous()
        shape = (count, channels, out_height, out_width)
        y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        wide, deep = _block(channels, out_width)
        grid = (count * out_height, triton.cdiv(out_width, wide), triton.cdiv(channels, deep))
        _forward[grid](
            *(x, taps, offsets, y, height, width, channels, out_height, out_width),
            *(rows, columns, stride, *padding, bias is not None, relu6, wide, deep),
            num_warps=WARPS,
        )
        ctx.save_for_backward(x, taps, y if relu6 else None)
        ctx.how = (stride, padding, weight.shape, weight.dtype, bias is not None)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, taps, y = ctx.saved_tensors
        stride, padding, shape, dtype, has_bias = ctx.how
        gradient = gradients[0]
        if y is not None:
            gradient = gradient * ((y > 0) & (y < 6))
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        count, channels, height, width = x.shape
        (rows, columns), (out_height, out_width) = shape[2:], gradient.shape[2:]
        extents = (height, width, channels, out_height, out_width, rows, columns, stride, *padding)

        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = torch.empty_like(x, memory_format=torch.channels_last)
            wide, deep = _block(channels, width)
            grid = (count * height, triton.cdiv(width, wide), triton.cdiv(channels, deep))
            _input_gradient[grid](gradient, taps, of_x, *extents, wide, deep, num_warps=WARPS)

        wide, deep = _block(channels, out_width)
        blocks, lines = triton.cdiv(channels, deep), count * out_height
        each = triton.cdiv(lines, max(1, min(lines, PROGRAMS // (blocks * rows))))
        parts = triton.cdiv(lines, each)
        sums = x.new_empty((parts, rows * columns + 1, channels), dtype=torch.float32)
        _weight_gradient[parts, blocks, rows](
            *(x, gradient, sums, lines, each, *extents, wide, deep), num_warps=WARPS
        )
        total = sums.sum(0)  # (KH * KW + 1, C)
        of_weight = total[:-1].t().reshape(shape).to(dtype)
        return of_x, of_weight, total[-1] if has_bias else None, None, None, None


def _block(channels: int, width: int) -> tuple[int, int]:
    """Columns and channels that a program computes."""
    deep = 16 if channels <= 16 else 32 if channels <= 32 or channels % 64 else 64
    return 8 if width <= 8 else 16 if width <= 16 or deep == 64 else 32, deep


if AVAILABLE:

    @triton.jit
    def _forward(
        x, taps, offsets, y, H, W, C, OH, OW,
        KH: tl.constexpr, KW: tl.constexpr, S: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
        BIAS: tl.constexpr, RELU6: tl.constexpr, WIDE: tl.constexpr, DEEP: tl.constexpr,
    ):  # fmt: skip
        """One row of the result, some of its columns and channels."""
        line = tl.program_id(0)
        n, oh = line // OH, line % OH
        ow = tl.program_id(1) * WIDE + tl.arange(0, WIDE)
        c = tl.program_id(2) * DEEP + tl.arange(0, DEEP)
        total = tl.zeros((WIDE, DEEP), tl.float32)
        for ky in tl.static_range(KH):
            ih = oh * S + ky - PH
            there = (ih >= 0) & (ih < H)
            base = (n * H + ih).to(tl.int64) * W * C
            for kx in tl.static_range(KW):
                iw = ow * S + kx - PW
                ok = there & ((iw >= 0) & (iw < W) & (ow < OW))[:, None] & (c < C)[None, :]
                at = base + iw[:, None] * C + c[None, :]
                value = tl.load(x + at, mask=ok, other=0.0).to(tl.float32)
                tap = tl.load(taps + (ky * KW + kx) * C + c, mask=c < C, other=0.0)
                total += value * tap[None, :]
        if BIAS:
            total += tl.load(offsets + c, mask=c < C, other=0.0)[None, :]
        if RELU6:
            total = tl.minimum(tl.maximum(total, 0.0), 6.0)
        at = line.to(tl.int64) * OW * C + ow[:, None] * C + c[None, :]
        tl.store(y + at, total.to(y.dtype.element_ty), mask=(ow < OW)[:, None] & (c < C)[None, :])

    @triton.jit
    def _input_gradient(
        g, taps, dx, H, W, C, OH, OW,
        KH: tl.constexpr, KW: tl.constexpr, S: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
        WIDE: tl.constexpr, DEEP: tl.constexpr,
    ):  # fmt: skip
        """One row of the input, some of its columns and channels."""
        line = tl.program_id(0)
        n, ih = line // H, line % H
        iw = tl.program_id(1) * WIDE + tl.arange(0, WIDE)
        c = tl.program_id(2) * DEEP + tl.arange(0, DEEP)
        total = tl.zeros((WIDE, DEEP), tl.float32)
        for ky in tl.static_range(KH):
            a = ih + PH - ky
            oh = a // S
            there = (a >= 0) & (a % S == 0) & (oh < OH)
            base = (n * OH + oh).to(tl.int64) * OW * C
            for kx in tl.static_range(KW):
                b = iw + PW - kx
                ow = b // S
                ok = (b >= 0) & (b % S == 0) & (ow < OW) & (iw < W)
                ok = there & ok[:, None] & (c < C)[None, :]
                at = base + ow[:, None] * C + c[None, :]
                value = tl.load(g + at, mask=ok, other=0.0).to(tl.float32)
                tap = tl.load(taps + (ky * KW + kx) * C + c, mask=c < C, other=0.0)
                total += value * tap[None, :]
        at = line.to(tl.int64) * W * C + iw[:, None] * C + c[None, :]
        tl.store(dx + at, total.to(dx.dtype.element_ty), mask=(iw < W)[:, None] & (c < C)[None, :])

    @triton.jit
    def _weight_gradient(
        x, g, sums, lines, each, H, W, C, OH, OW,
        KH: tl.constexpr, KW: tl.constexpr, S: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
        WIDE: tl.constexpr, DEEP: tl.constexpr,
    ):  # fmt: skip
        """One row of taps over ``each`` rows of the result; with the first row, also the bias."""
        part, ky = tl.program_id(0), tl.program_id(2)
        c = tl.program_id(1) * DEEP + tl.arange(0, DEEP)
        s0 = tl.zeros((WIDE, DEEP), tl.float32)
        s1 = tl.zeros((WIDE, DEEP), tl.float32)
        s2 = tl.zeros((WIDE, DEEP), tl.float32)
        s3 = tl.zeros((WIDE, DEEP), tl.float32)
        s4 = tl.zeros((WIDE, DEEP), tl.float32)
        plain = tl.zeros((WIDE, DEEP), tl.float32)
        for i in range(each):
            line = part * each + i
            n, oh = line // OH, line % OH
            ih = oh * S + ky - PH
            live = line < lines
            there = live & (ih >= 0) & (ih < H)
            base = (n * H + ih).to(tl.int64) * W * C
            for first in range(0, OW, WIDE):
                ow = first + tl.arange(0, WIDE)
                ok = live & (ow < OW)[:, None] & (c < C)[None, :]
                at = line.to(tl.int64) * OW * C + ow[:, None] * C + c[None, :]
                value = tl.load(g + at, mask=ok, other=0.0).to(tl.float32)
                plain += value
                iw = ow * S - PW
                s0 += value * _seen(x, base, iw, there, W, C, c)
                if KW > 1:
                    s1 += value * _seen(x, base, iw + 1, there, W, C, c)
                if KW > 2:
                    s2 += value * _seen(x, base, iw + 2, there, W, C, c)
                if KW > 3:
                    s3 += value * _seen(x, base, iw + 3, there, W, C, c)
                if KW > 4:
                    s4 += value * _seen(x, base, iw + 4, there, W, C, c)
        to = sums + (part * (KH * KW + 1)).to(tl.int64) * C + c
        tl.store(to + ky * KW * C, tl.sum(s0, 0), mask=c < C)
        if KW > 1:
            tl.store(to + (ky * KW + 1) * C, tl.sum(s1, 0), mask=c < C)
        if KW > 2:
            tl.store(to + (ky * KW + 2) * C, tl.sum(s2, 0), mask=c < C)
        if KW > 3:
            tl.store(to + (ky * KW + 3) * C, tl.sum(s3, 0), mask=c < C)
        if KW > 4:
            tl.store(to + (ky * KW + 4) * C, tl.sum(s4, 0), mask=c < C)
        tl.store(to + KH * KW * C, tl.sum(plain, 0), mask=(c < C) & (ky == 0))

    @triton.jit
    def _seen(x, base, iw, there, W, C, c):
        ok = there & ((iw >= 0) & (iw < W))[:, None] & (c < C)[None, :]
        return tl.load(x + base + iw[:, None] * C + c[None, :], mask=ok, other=0.0).to(tl.float32)
