"""3x3x3 convolution with an eighth of the multiplications, on channels-last clips, on a CPU.

**One axis.** Two outputs of a 3-tap filter g over four inputs d need six multiplications, or four:

    y0 = m0 + m1 + m2        m0 = (d2 - d0) (-g0)        m1 = (d2 + d1) (g0 + g1 + g2) / 2
    y1 = m1 - m2 + m3        m3 = (d3 - d1) g2           m2 = (d2 - d1) (g0 - g1 + g2) / 2

This is F(2, 3) of S. Winograd (1980), used for convolutional networks by Lavin and Gray (CVPR
2016). In general F(m, 3) computes a tile of m outputs from n = m + 2 products,

    y = A' [ (G g) * (B' d) ],

by way of polynomials: a product of polynomials is known from its values at n - 1 points and at
infinity. With the points 0, +-p, +-q, ... the rows of B' d (Toom-Cook, transposed) are

    at 0:    coefficients of (x^2 - p^2)(x^2 - q^2)... on the even inputs,
    at inf:  the same on the odd inputs,
    at +-p:  even +- p odd, with  even = (x^2 - q^2)... on d2, d4, ...
                                  odd  = (x^2 - q^2)... on d1, d3, ...

row i of G is (1, p_i, p_i^2) / prod_{j != i} (p_i - p_j), and A'[j, i] = p_i^j; the last row of G
is (0, 0, 1) and the last column of A' is (0, ..., 0, 1). For m = 4, the rows of G at +-p are
multiplied by p and the columns of A' divided by it, which makes y1 a plain sum.

**Three axes.** The transforms of time, height and width commute, so a tile of 4x4x4 outputs takes
6x6x6 = 216 products instead of 64 x 27 = 1728: one eighth. For a layer of C channels, each of the
216 products is a matrix product (tiles, C) x (C, N) over all tiles at once. An axis may be left
out (tile 0): then each product is a convolution of kernel 3 along that axis.

**Accuracy.** Rounding errors grow with the spread of the matrices' entries. The customary points
+-1, +-2 of F(4, 3) give errors of 6.2e-6 (root mean square, 256 channels, unit variance) on
4x4x4 tiles, +-3/4, +-3/2 give 2.1e-6, where the plain float32 convolution gives 0.2e-6 to 0.9e-6,
as the processor has it.

**Rows.** Activations are channels-last: a clip is a table of voxels, with a row of C numbers each.
Every transform makes rows that are weighted sums of a few rows of a table, those of the tile's
neighbourhood that are in the clip. That is what `torch.embedding_bag` does, in one pass, with each
sum in registers until it is written (FBGEMM compiles it for C on x86). Transforms of height and
width are one such pass; the ReLU of the input is applied before, bias, residual and ReLU of the
output after them. Which rows and weights depends on shapes only (`_Block`).

**Memory.** The transformed clip is 27/8 times the clip: too much to go through main memory several
times. So the rows of the image are cut into blocks of about ``TILES_PER_BLOCK`` tiles (enough rows
for a matrix product to run at its peak), of which one frequency in time is transformed, multiplied
and transformed back at a time. Threads claim blocks one after the other and compute each alone:
they need not wait for one another, and one that is held up by another program's computing has
fewer. The filters' transform is made anew for every block (2 % of the time of a large layer): to
keep them would take 8 times the weights.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from threedcseg.models.fast import onednn

Tile = tuple[int, int, int]
"""Outputs of a tile in time, height and width: 2 or 4."""

POINTS = {2: (1.0,), 4: (0.75, 1.5)}  # the finite points other than 0, each with both signs
TILES_PER_BLOCK = 600  # rows of the matrix products
FEWEST_TILES = 48  # of a block, for a thread to have it alone
KEPT = 32  # shapes whose sums are kept: some MB each


def filter_matrix(m: int) -> Tensor:
    """The matrix G of F(m, 3), ``(m + 2, 3)`` float64."""
    points = [0.0] + [sign * p for p in POINTS[m] for sign in (1, -1)]
    rows = []
    for i, p in enumerate(points):
        scale = 1 / math.prod(p - q for j, q in enumerate(points) if j != i)
        if m == 4 and p:
            scale *= abs(p)
        rows.append([scale, scale * p, scale * p * p])
    return torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64)


def input_matrix(m: int) -> Tensor:
    """The matrix B' of F(m, 3), ``(m + 2, m + 2)`` float64."""
    matrix = torch.zeros(m + 2, m + 2, dtype=torch.float64)

    def coefficients(points: tuple[float, ...]) -> Tensor:
        """Of (x^2 - p^2)(x^2 - q^2)..., those of the lowest powers first."""
        return torch.tensor(np.atleast_1d(np.poly(np.square(points)))[::-1].copy())

    matrix[0, 0::2] = matrix[-1, 1::2] = coefficients(POINTS[m])
    for i, p in enumerate(POINTS[m]):
        others = coefficients(tuple(q for q in POINTS[m] if q != p))
        matrix[2 * i + 1 : 2 * i + 3, 2::2] = others
        matrix[2 * i + 1, 1:-1:2], matrix[2 * i + 2, 1:-1:2] = p * others, -p * others
    return matrix


def output_matrix(m: int) -> Tensor:
    """The matrix A' of F(m, 3), ``(m, m + 2)`` float64."""
    points = torch.tensor([sign * p for p in POINTS[m] for sign in (1, -1)], dtype=torch.float64)
    matrix = torch.zeros(m, m + 2, dtype=torch.float64)
    matrix[:, 1:-1] = points ** torch.arange(m)[:, None]
    if m == 4:
        matrix[:, 1:-1] /= points.abs()
    matrix[0, 0] = matrix[-1, -1] = 1
    return matrix


class Sums(NamedTuple):
    """Weighted sums of rows of a table ``(rows, C)``."""

    rows: Tensor  # those of one sum after those of another
    weights: Tensor
    starts: Tensor  # of each sum in them, and their end

    def of(self, table: Tensor) -> Tensor:
        """``(sums, C)``."""
        sums: Tensor = torch.embedding_bag(
            table,
            self.rows,
            self.starts,
            per_sample_weights=self.weights,
            include_last_offset=True,
        )[0]
        return sums


def conv3d(
    clip: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    tile: Tile,
    *,
    relu_input: bool = False,
    residual: Tensor | None = None,
    relu: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """``relu(conv(relu_input(clip)) + residual)`` for a 3x3x3 convolution of stride and padding 1.

    ``clip`` is ``(B, C, T, H, W)``, ``weight`` ``(N, C, 3, 3, 3)``, ``residual`` and ``out``
    ``(B, N, T, H, W)``; ``out`` must be channels-last, and may be ``residual`` but not ``clip``.
    Returns ``out``, by default a new tensor. Records no gradients: call it under `torch.no_grad`.
    """
    x = clip.permute(0, 2, 3, 4, 1).contiguous()  # (B, T, H, W, C)
    batch, frames, height, width, channels = x.shape
    outputs = len(weight)
    if out is None:
        out = x.new_empty(batch, frames, height, width, outputs).permute(0, 4, 1, 2, 3)
    y = out.permute(0, 2, 3, 4, 1)
    added = None if residual is None else residual.permute(0, 2, 3, 4, 1)
    bias = x.new_zeros(outputs) if bias is None else bias
    taps = weight.permute(2, 3, 4, 0, 1).reshape(-1, channels)  # (27 * N, C)
    in_time, to_filters = _filter_sums(tile, outputs, x.dtype)
    kernels = [of_one.of(taps) for of_one in in_time]  # (9 * N, C) of each frequency in time
    groups = (tile[1] + 2) * (tile[2] + 2)

    def finish(first: int) -> None:
        """A block: the rows from ``first``."""
        last = min(height, first + rows)
        low, high = max(0, first - 1), min(height, last + 1)
        of = _block_sums(
            tile, batch, frames, first - low, last - first, high - last, width, x.dtype
        )
        read = x[:, :, low:high].clamp_min(0) if relu_input else x[:, :, low:high]
        voxels = read.reshape(-1, channels)
        found = []
        for kernel, to_time in zip(kernels, of.to_time, strict=True):
            inputs = of.to_space.of(to_time.of(voxels)).view(-1, groups, channels)
            filters = to_filters.of(kernel).view(groups, outputs, channels)
            products = onednn.products(inputs, filters)  # (tiles, groups, N)
            found.append(of.from_space.of(products.view(-1, outputs)))
        result = of.from_time.of(torch.cat([*found, bias[None]]))
        result = result.view(batch, frames, last - first, width, outputs)
        place = y[:, :, first:last]
        if added is not None:
            result = torch.add(result, added[:, :, first:last], out=place)
        if relu:
            torch.clamp_min(result, 0, out=place)
        elif added is None:
            place.copy_(result)

    time, down, across = (-(-size // m) for size, m in zip(x.shape[1:4], tile, strict=True))
    tiles, threads = batch * time * down * across, torch.get_num_threads()
    blocks = max(1, -(-tiles // (threads * TILES_PER_BLOCK))) * threads
    if blocks > down or tiles < blocks * FEWEST_TILES:  # threads share each operation instead
        blocks, threads = max(1, round(tiles / (3 * TILES_PER_BLOCK))), 1
    rows = -(-down // blocks) * tile[1]
    _by_threads(finish, range(0, height, rows), threads)
    return out


def _by_threads(finish: Callable[[int], None], blocks: range, threads: int) -> None:
    """Each block by one of so many threads, the next one by that which is free first."""
    inference = torch.is_inference_mode_enabled()

    def claim(first: int) -> None:
        with torch.inference_mode(inference), torch.no_grad():  # threads begin without
            finish(first)

    if threads == 1:
        for first in blocks:
            claim(first)
        return
    try:
        with ThreadPoolExecutor(threads, "rows", torch.set_num_threads, (1,)) as pool:
            for _ in pool.map(claim, blocks):
                pass  # raises what a thread raised
    finally:
        torch.set_num_threads(threads)  # or threads to come would begin with one


class _BlockSums(NamedTuple):
    """The transforms of a block as sums of rows of ``(B, T, rows, W)``, and back."""

    to_time: list[Sums]  # of each frequency
    to_space: Sums  # (B * t, h, w, frequencies in height, in width)
    from_space: Sums
    from_time: Sums  # the last row is added to all


@lru_cache(KEPT)
def _block_sums(
    tile: Tile,
    batch: int,
    frames: int,
    above: int,
    rows: int,
    below: int,
    width: int,
    dtype: torch.dtype,
) -> _BlockSums:
    """Of a block of ``rows``, with ``above`` and ``below`` (0 or 1) of its neighbours read."""
    read = above + rows + below
    time, t_places, t_weights = _inputs(tile[0], frames, 0, frames)
    down, h_places, h_weights = _inputs(tile[1], rows, above, read)
    across, w_places, w_weights = _inputs(tile[2], width, 0, width)

    b, voxel = _along(0, batch, 4), _along(2, read * width, 4)
    frame = t_places[None, :, None]  # (B, t, voxels, inputs)
    to_time = [
        _sums((b * frames + frame) * read * width + voxel, of_one[None, :, None], dtype)
        for of_one in t_weights.unbind(1)
    ]

    # (B * t, h, w, frequencies in height, in width, inputs in height, in width)
    row = _along(0, batch * time, 7) * read + h_places[None, :, None, None, None, :, None]
    place = row * width + w_places[None, None, :, None, None, None]
    weights = h_weights[None, :, None, :, None, :, None] * w_weights[None, None, :, None, :, None]
    to_space = _sums(place.flatten(-2), weights.flatten(-2), dtype)

    # (B * t, rows, columns, frequencies in height, in width)
    lines, columns = _along(1, rows, 5), _along(2, width, 5)
    row = _along(0, batch * time, 5) * down + lines // tile[1]
    place = (row * across + columns // tile[2]) * (tile[1] + 2) + _along(3, tile[1] + 2, 5)
    place = place * (tile[2] + 2) + _along(4, tile[2] + 2, 5)
    weights = (
        output_matrix(tile[1])[torch.arange(rows) % tile[1]][None, :, None, :, None]
        * output_matrix(tile[2])[torch.arange(width) % tile[2]][None, None, :, None]
    )
    from_space = _sums(place.flatten(-2), weights.flatten(-2), dtype)

    # (B, T, voxels, frequencies and one that is 1)
    frame, voxel = _along(1, frames, 4), _along(2, rows * width, 4)
    frequency = _along(3, tile[0] + 3, 4)
    place = ((frequency * batch + b) * time + frame // tile[0]) * rows * width + voxel
    bias = (tile[0] + 2) * batch * time * rows * width
    weights = output_matrix(tile[0])[torch.arange(frames) % tile[0]]
    weights = torch.cat([weights, torch.ones_like(weights[:, :1])], 1)[None, :, None]
    from_time = _sums(place.clamp_max(bias), weights, dtype)
    return _BlockSums(to_time, to_space, from_space, from_time)


@lru_cache(KEPT)
def _filter_sums(tile: Tile, outputs: int, dtype: torch.dtype) -> tuple[list[Sums], Sums]:
    """G as sums: of ``(3, 3, 3, N)`` for each frequency in time, and of those in space.

    Shapes: ``(3, 3, N)``, then ``(frequencies in height, in width, N)``.
    """
    in_time, in_height, in_width = (filter_matrix(m) for m in tile)
    rest = torch.arange(9 * outputs)[:, None]  # (9 * N, taps in time)
    of_time = [_sums(torch.arange(3) * len(rest) + rest, of_one, dtype) for of_one in in_time]
    n = torch.arange(outputs)[None, :, None]  # (frequencies, N, taps in space)
    in_space = torch.kron(in_height, in_width)[:, None]
    return of_time, _sums(torch.arange(9) * outputs + n, in_space, dtype)


def _inputs(m: int, size: int, first: int, read: int) -> tuple[int, Tensor, Tensor]:
    """How many tiles cover an axis, their inputs ``(tiles, 1, m + 2)`` and weights.

    The axis begins at ``first`` of the ``read`` elements that there are; others are 0. Weights:
    ``(tiles, m + 2 frequencies, m + 2 inputs)``.
    """
    tiles = -(-size // m)
    places = first - 1 + m * torch.arange(tiles)[:, None, None] + torch.arange(m + 2)
    inside = (places >= 0) & (places < read)
    return tiles, places.clamp(0, read - 1)[:, 0], input_matrix(m) * inside


def _along(axis: int, size: int, axes: int) -> Tensor:
    """0, 1, ... along one of so many axes."""
    return torch.arange(size).view(*(-1 if a == axis else 1 for a in range(axes)))


def _sums(rows: Tensor, weights: Tensor, dtype: torch.dtype) -> Sums:
    """Those along the last axis; what has weight 0 is left out."""
    rows, weights = torch.broadcast_tensors(rows, weights)
    kept = weights != 0
    starts = torch.zeros(kept[..., 0].numel() + 1, dtype=torch.int32)
    starts[1:] = kept.sum(-1).flatten().cumsum(0)
    return Sums(rows[kept].int(), weights[kept].to(dtype), starts)
