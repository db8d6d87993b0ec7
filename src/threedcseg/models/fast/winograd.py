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
216 products is a matrix product (tiles, C) x (C, N) over all tiles at once: 36 groups of one
convolution for each frequency in time.

**Accuracy.** Rounding errors grow with the spread of the matrices' entries. The customary points
+-1, +-2 of F(4, 3) give errors of 6.2e-6 (root mean square, 256 channels, unit variance) on
4x4x4 tiles, +-3/4, +-3/2 give 2.1e-6, where the plain float32 convolution gives 0.2e-6 to 0.9e-6,
as the processor has it.

**Rows.** Activations are channels-last: a clip is a table of voxels, with a row of C numbers each.
Every transform makes rows that are weighted sums of a few rows of a table, here those of a tile's
neighbourhood that are in the clip. That is what `torch.embedding_bag` does, in one pass, with each
sum in registers until it is written (on x86, FBGEMM compiles it for C). One pass is time, one is
height and width together, which is faster than one for each, and the same on the way back; the bias
is a row that is added to all. Rows and weights depend on shapes only and are kept (`_block_sums`).

**Memory.** The transformed clip is 27/8 times the clip, so the rows of the image are cut into
blocks of about ``TILES_PER_BLOCK`` tiles, and one frequency in time of a block is transformed,
multiplied and transformed back at a time. The filters of that frequency are transformed with it:
to keep them would take 8 times the weights.

**Threads** claim such frequencies one after the other and compute each alone, then the frames of
blocks of which all are there: they need not wait for one another, and one that is held up by
another program's computing has fewer.
"""

import math
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from itertools import product
from threading import Lock
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from threedcseg.models.fast import onednn

Tile = tuple[int, int, int]
"""Outputs of a tile in time, height and width: 2 or 4."""

POINTS = {2: (1.0,), 4: (0.75, 1.5)}  # the finite points other than 0, each with both signs
TILES_PER_BLOCK = 900  # rows of the matrix products
FEWEST_TILES = 200  # of a block that is cut because there are many threads
KEPT = 16  # shapes of blocks whose sums are kept: some MB each


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
    ``(B, N, T, H, W)``. The result is in ``out``, which may be ``residual`` but not ``clip``, if
    that is channels-last, else in a new tensor. Records no gradients.
    """
    x = clip.permute(0, 2, 3, 4, 1).contiguous()  # (B, T, H, W, C)
    x = x.clamp_min(0) if relu_input else x
    batch, frames, height, width, channels = x.shape
    outputs, frequencies = len(weight), (tile[1] + 2) * (tile[2] + 2)  # those in space
    if out is None or not out.is_contiguous(memory_format=torch.channels_last_3d):
        out = x.new_empty(batch, frames, height, width, outputs).permute(0, 4, 1, 2, 3)
    y = out.permute(0, 2, 3, 4, 1).flatten(0, 1)  # (B * T, H, W, N)
    added = None if residual is None else residual.permute(0, 2, 3, 4, 1).flatten(0, 1)
    taps = weight.permute(2, 3, 4, 0, 1).reshape(-1, channels)  # (27 * N, C)
    in_time, in_space = _filter_sums(tile, outputs, x.dtype)

    @torch.no_grad()  # threads begin without
    @torch.inference_mode(torch.is_inference_mode_enabled())
    def multiply(block: _Block, i: int) -> None:
        """Frequency ``i`` in time of a block."""
        filters = in_space.of(in_time[i].of(taps)).view(frequencies, outputs, channels)
        rows = block.sums.to_time[i].of(x.view(-1, channels)[block.read_from * width :])
        rows = block.sums.to_space.of(rows).view(-1, frequencies, channels)
        rows = onednn.products(rows, filters).view(-1, outputs)
        rows = block.sums.from_space.of(rows)
        with block.lock:
            if block.found is None:
                block.found = x.new_empty((tile[0] + 2) * len(rows) + 1, outputs)
                block.found[-1] = 0 if bias is None else bias
        block.found[i * len(rows) : (i + 1) * len(rows)] = rows
        with block.lock:
            block.missing -= 1
            if block.missing == 0:
                tasks.extend(pool.submit(finish, block, frame) for frame in range(len(y)))

    @torch.no_grad()
    @torch.inference_mode(torch.is_inference_mode_enabled())
    def finish(block: _Block, frame: int) -> None:
        """One frame of a block of which all frequencies are there."""
        place = y[frame, block.rows]
        assert block.found is not None
        result = block.sums.from_time[frame].of(block.found).view_as(place)
        if added is not None:
            result = torch.add(result, added[frame, block.rows], out=place)
        if relu:
            torch.clamp_min(result, 0, out=place)
        elif added is None:
            place.copy_(result)

    threads, tasks = torch.get_num_threads(), list[Future[None]]()
    try:
        with ThreadPoolExecutor(threads, "blocks", torch.set_num_threads, (1,)) as pool:
            for block, i in product(_blocks(x, tile, threads), range(tile[0] + 2)):
                tasks.append(pool.submit(multiply, block, i))
            for task in tasks:  # to which finished blocks add theirs
                task.result()
    finally:
        torch.set_num_threads(threads)  # or threads to come would begin with one
    return out


class _Block:
    """Some rows of the result, and what is found of them so far."""

    def __init__(self, first: int, last: int, x: Tensor, tile: Tile) -> None:
        batch, frames, height, width, _ = x.shape
        self.rows = slice(first, last)
        self.read_from, read_to = max(0, first - 1), min(height, last + 1)
        above, below = first - self.read_from, read_to - last
        self.sums = _block_sums(
            tile, (batch, frames, height, width), above, last - first, below, x.dtype
        )
        self.found: Tensor | None = None  # (frequencies in time * B * t * rows * W + 1, N)
        self.missing = tile[0] + 2  # frequencies in time
        self.lock = Lock()


def _blocks(x: Tensor, tile: Tile, threads: int) -> list[_Block]:
    """Enough for every thread, of about as many tiles as are good for a product."""
    batch, frames, height, width, _ = x.shape
    time, down, across = (-(-n // m) for n, m in zip((frames, height, width), tile, strict=True))
    tiles = batch * time * down * across
    wanted = max(-(-tiles // TILES_PER_BLOCK), 2 * threads // (tile[0] + 2))
    rows = -(-down // max(1, min(wanted, tiles // FEWEST_TILES))) * tile[1]
    return [_Block(first, min(first + rows, height), x, tile) for first in range(0, height, rows)]


class _BlockSums(NamedTuple):
    """The transforms of a block as sums of rows of ``(B, T, H, W)``, and back.

    Shapes are those of the results; i, j, k are frequencies in time, height and width.
    """

    to_time: list[Sums]  # (B * t, H, W) of each frequency
    to_space: Sums  # (B * t, h, w, j, k)
    from_space: Sums  # (B * t, H, W)
    from_time: list[Sums]  # (H, W) of each frame of (i, B * t, H, W) and a row added to all


@lru_cache(KEPT)
def _block_sums(
    tile: Tile,
    clip: tuple[int, int, int, int],
    above: int,
    rows: int,
    below: int,
    dtype: torch.dtype,
) -> _BlockSums:
    """Of ``rows`` of a clip ``(B, T, H, W)``, with those ``above`` and ``below`` (0 or 1) read."""
    batch, frames, height, width = clip
    read = above + rows + below
    time, t_places, t_weights = _inputs(tile[0], frames, 0, frames)
    down, h_places, h_weights = _inputs(tile[1], rows, above, read)
    across, w_places, w_weights = _inputs(tile[2], width, 0, width)

    (_, high, wide), lines, columns = (m + 2 for m in tile), torch.arange(rows), torch.arange(width)

    place = (_along(0, batch, 4) * frames + t_places[:, None]) * height * width
    place = place + torch.arange(read * width)[:, None]  # (B, t, H * W, inputs)
    to_time = [_sums(place, of_one[:, None], dtype) for of_one in t_weights.unbind(1)]

    # (B * t, h, w, j, k, inputs in height, in width)
    row = _along(0, batch * time, 7) * read + h_places[:, None, None, None, :, None]
    place = row * width + w_places[:, None, None, None]
    weights = h_weights[:, None, :, None, :, None] * w_weights[:, None, :, None]
    to_space = _sums(place.flatten(-2), weights.flatten(-2), dtype)

    # (B * t, H, W, j, k)
    row = _along(0, batch * time, 5) * down + (lines // tile[1])[:, None, None, None]
    place = (row * across + (columns // tile[2])[:, None, None]) * high
    place = (place + torch.arange(high)[:, None]) * wide + torch.arange(wide)
    of_lines = output_matrix(tile[1])[lines % tile[1]]
    of_columns = output_matrix(tile[2])[columns % tile[2]]
    weights = of_lines[:, None, :, None] * of_columns[:, None]
    from_space = _sums(place.flatten(-2), weights.flatten(-2), dtype)

    # (voxels, frequencies and one that is 1) of each frame
    voxels = rows * width
    frequency, voxel = torch.arange(tile[0] + 3), torch.arange(voxels)[:, None]
    weights = torch.cat([output_matrix(tile[0]), torch.ones(tile[0], 1)], 1)
    from_time = []
    for number, frame in product(range(batch), range(frames)):
        place = ((frequency * batch + number) * time + frame // tile[0]) * voxels + voxel
        place[:, -1] = (tile[0] + 2) * batch * time * voxels
        from_time.append(_sums(place, weights[frame % tile[0]], dtype))
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
