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

**Memory.** The transformed clip is 27/8 times the clip: too much to go through main memory several
times. So the rows of the image are cut into blocks of about ``TILES_PER_BLOCK`` tiles (enough rows
for a matrix product to run at its peak). Threads claim blocks one after the other and compute each
alone: they need not wait for one another, and one that is held up by another program's computing
has fewer. A block's time transform is kept, and its height and
width transforms are made, used and overwritten, one frequency at a time, in the cache. Activations
are channels-last, so that every slice along an axis is made of contiguous runs of C numbers and
every transformed slice is already the matrix to be multiplied; the ReLU of the input is applied
while it is read, bias, residual and ReLU of the output while it is written.

The products are 1x1 convolutions, not `torch.mm`: oneDNN, which runs torch's convolutions, uses
AVX-512 on every CPU that has it; the BLAS in torch's wheels only on Intel's.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor
from torch.nn import functional as F

Tile = tuple[int, int, int]
"""Outputs of a tile in time, height and width: 4, 2 or, for an axis left alone, 0."""

POINTS = {2: (1.0,), 4: (0.75, 1.5)}  # the finite points other than 0, each with both signs
TILES_PER_BLOCK = 1200  # rows of the matrix products
FEWEST_TILES = 48  # of a block, for a thread to have it alone
CHUNK = 1 << 18  # elements of a slice transformed at a time, so that they stay in the cache
FILTER_CHUNK = 1 << 12  # the same for the filters' transform


class Workspace:
    """Named scratch buffers, kept between calls: fresh pages cost more than what is done in them.

    For one call at a time; ``parts`` are those of its threads.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}
        self.parts: list[Workspace] = []

    def view(self, name: str, shape: Sequence[int], like: Tensor) -> Tensor:
        """The head of buffer ``name`` as an uninitialised tensor, of the dtype of ``like``."""
        elements = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.numel() < elements or buffer.dtype != like.dtype:
            self._buffers.pop(name, None)
            with torch.inference_mode(False):  # or it could not be written to outside of it
                buffer = torch.empty(elements, dtype=like.dtype)
            self._buffers[name] = buffer
        return buffer[:elements].view(*shape)


def filter_matrix(m: int) -> Tensor:
    """The matrix G of F(m, 3), ``(m + 2, 3)`` float64; the identity for an axis left alone."""
    if m == 0:
        return torch.eye(3, dtype=torch.float64)
    points = [0.0] + [sign * p for p in POINTS[m] for sign in (1, -1)]
    rows = []
    for i, p in enumerate(points):
        scale = 1 / math.prod(p - q for j, q in enumerate(points) if j != i)
        if m == 4 and p:
            scale *= abs(p)
        rows.append([scale, scale * p, scale * p * p])
    return torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64)


def transform_input(d: Sequence[Tensor], out: Sequence[Tensor], scratch: Sequence[Tensor]) -> None:
    """``out = B' d`` for the m + 2 inputs of every tile, elementwise on slices."""
    if len(d) == 1:  # an axis left alone
        out[0].copy_(d[0])
        return
    if len(d) == 4:
        torch.sub(d[2], d[0], out=out[0])
        torch.add(d[2], d[1], out=out[1])
        torch.sub(d[2], d[1], out=out[2])
        torch.sub(d[3], d[1], out=out[3])
        return
    p, q = POINTS[4]
    even, odd = scratch
    for first, row in ((0, 0), (1, 5)):  # (x^2 - p^2)(x^2 - q^2) on even and on odd inputs
        torch.sub(d[first + 4], d[first + 2], alpha=p * p + q * q, out=out[row])
        out[row].add_(d[first], alpha=p * p * q * q)
    for point, other, row in ((p, q, 1), (q, p, 3)):
        torch.sub(d[4], d[2], alpha=other * other, out=even)
        torch.sub(d[3], d[1], alpha=other * other, out=odd)
        torch.add(even, odd, alpha=point, out=out[row])
        torch.sub(even, odd, alpha=point, out=out[row + 1])


def transform_output(m: Sequence[Tensor], out: Sequence[Tensor], scratch: Sequence[Tensor]) -> None:
    """``out = A' m`` for the products of every tile, elementwise on slices."""
    if len(m) == 1:
        out[0].copy_(m[0])
        return
    plus, minus = scratch
    if len(m) == 4:
        torch.add(m[1], m[2], out=plus)
        torch.sub(m[1], m[2], out=minus)
        torch.add(m[0], plus, out=out[0])
        torch.add(minus, m[3], out=out[1])
        return
    p, q = POINTS[4]
    torch.add(m[1], m[2], out=plus)
    torch.sub(m[1], m[2], out=minus)
    torch.add(m[0], plus, alpha=1 / p, out=out[0])
    torch.mul(plus, p, out=out[2])
    torch.add(m[5], minus, alpha=p * p, out=out[3])
    torch.sub(m[3], m[4], out=plus)
    torch.add(minus, plus, out=out[1])
    out[3].add_(plus, alpha=q * q)
    torch.add(m[3], m[4], out=plus)
    out[0].add_(plus, alpha=1 / q)
    out[2].add_(plus, alpha=q)


Transform = Callable[[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]], None]


def conv3d(
    clip: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    tile: Tile,
    workspace: Workspace,
    *,
    relu_input: bool = False,
    residual: Tensor | None = None,
    relu: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """``relu(conv(relu_input(clip)) + residual)`` for a 3x3x3 convolution of stride and padding 1.

    ``clip`` is ``(B, C, T, H, W)``, ``weight`` ``(N, C, 3, 3, 3)``, ``residual`` and ``out``
    ``(B, N, T, H, W)``; ``out`` must be channels-last, and may be ``residual`` but not ``clip``.
    Returns ``out``, by default a new tensor. ``tile[0] == 0`` is for clips of one frame, where
    only the middle taps in time matter. Records no gradients: call it under `torch.no_grad`.
    """
    x = clip.permute(0, 2, 3, 4, 1).contiguous()  # (B, T, H, W, C)
    batch, frames, height, width, channels = x.shape
    if out is None:
        out = x.new_empty(batch, frames, height, width, len(weight)).permute(0, 4, 1, 2, 3)
    y = out.permute(0, 2, 3, 4, 1)
    added = None if residual is None else residual.permute(0, 2, 3, 4, 1)

    # An axis left alone counts as tiles of length 1 in space, as one tile in time.
    in_time, in_height, in_width = (max(1, m) for m in tile)
    time, down, across = -(-frames // in_time), -(-height // in_height), -(-width // in_width)
    tiles, threads = batch * time * down * across, torch.get_num_threads()
    blocks = max(1, -(-tiles // (threads * TILES_PER_BLOCK))) * threads
    if blocks > down or tiles < blocks * FEWEST_TILES:  # threads share each operation instead
        blocks, threads = max(1, round(tiles / (3 * TILES_PER_BLOCK))), 1
    rows = -(-down // blocks) * in_height
    shape = (batch, time, rows + 2, across * in_width + 2, channels)
    slots = [f"time{i}" for i in range(tile[0] + 2 if tile[0] else 1)]
    filters = [
        transform_filters(weight, tile, i, f"filters{i}", workspace) for i in range(len(slots))
    ]

    def finish(first: int, workspace: Workspace) -> None:
        """A block: the rows from ``first``."""
        views = [workspace.view(slot, shape, x) for slot in slots]
        _read(x, first, relu_input, views, tile[0], workspace)
        products = [
            _multiply(view, slot, of_one, tile, 2, workspace)
            for view, slot, of_one in zip(views, slots, filters, strict=True)
        ]
        _write(products, tile[0], y, first, bias, added, relu, workspace)

    _by_threads(finish, range(0, height, rows), workspace, threads)
    return out


def _by_threads(
    finish: Callable[[int, Workspace], None], blocks: range, workspace: Workspace, threads: int
) -> None:
    """Each block by one of so many threads, the next one by that which is free first."""
    workspace.parts += [Workspace() for _ in range(threads - len(workspace.parts))]
    free = workspace.parts[:threads]
    inference = torch.is_inference_mode_enabled()

    def claim(first: int) -> None:
        mine = free.pop()
        with torch.inference_mode(inference), torch.no_grad():  # threads begin without
            finish(first, mine)
        free.append(mine)

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


def transform_filters(
    weight: Tensor, tile: Tile, time_product: int, name: str, workspace: Workspace
) -> Tensor:
    """G applied to each axis of ``(N, C, 3, 3, 3)``: the 2D kernels of one product in time.

    Shape: ``(products in height, in width, N, C, 1 or 3, 1 or 3)``. They are made anew in every
    call (2 % of the time of a large layer): to keep them would take 8 times the weights.
    """
    in_time, in_height, in_width = (filter_matrix(m) for m in tile)
    if tile[0] == 0:
        in_time = in_time[1:2]  # one frame: its neighbours are padding
    g = torch.kron(in_time[time_product], torch.kron(in_height, in_width)).to(weight.dtype)
    taps = weight.reshape(-1, 27).t()
    filters = workspace.view(name, (len(g), taps.shape[1]), weight)
    for first in range(0, taps.shape[1], FILTER_CHUNK):
        columns = slice(first, first + FILTER_CHUNK)
        torch.mm(g, taps[:, columns], out=filters[:, columns])
    sizes = [size for m in tile[1:] for size in ((m + 2, 1) if m else (1, 3))]
    return filters.view(*sizes, *weight.shape[:2]).permute(0, 2, 4, 5, 1, 3)


def _slices(x: Tensor, axis: int, m: int, count: int) -> list[Tensor]:
    """``count`` views of ``x``: the first, second, ... element of every tile along ``axis``."""
    if m == 0:
        return [x]
    tiles = (x.shape[axis] - count) // m + 1
    index: list[slice] = [slice(None)] * x.dim()
    views = []
    for i in range(count):
        index[axis] = slice(i, i + m * (tiles - 1) + 1, m)
        views.append(x[tuple(index)])
    return views


def _scratch(like: Tensor, workspace: Workspace) -> tuple[Tensor, Tensor]:
    return workspace.view("plus", like.shape, like), workspace.view("minus", like.shape, like)


def _rows_at_a_time(x: Tensor) -> int:
    return max(1, CHUNK * x.shape[2] // x.numel())


def _by_rows(
    transform: Transform, source: list[Tensor], out: list[Tensor], workspace: Workspace
) -> None:
    """Apply ``transform`` to a few rows (axis 2) at a time."""
    step = _rows_at_a_time(out[0])
    for first in range(0, out[0].shape[2], step):
        part = [t[:, :, first : first + step] for t in out]
        here = [t[:, :, first : first + step] for t in source]
        transform(here, part, _scratch(part[0], workspace))


def _read(
    x: Tensor, first: int, relu: bool, slots: list[Tensor], m: int, workspace: Workspace
) -> None:
    """Fill ``slots`` with the time transform of a block: rows ``first - 1``... and a border."""
    batch, frames, height, width, channels = x.shape
    time, rows, columns = slots[0].shape[1:4]
    padding = 1 if m else 0  # in time
    padded = (batch, max(1, time * m) + 2 * padding)
    step = _rows_at_a_time(slots[0])
    for row in range(0, rows, step):
        count = min(step, rows - row)
        top = first - 1 + row  # in the image
        low, high = max(0, -top), max(0, min(count, height - top))
        chunk = workspace.view("chunk", (*padded, count, columns, channels), x).zero_()
        inner = chunk[:, padding : padding + frames, low:high, 1 : width + 1]
        here = x[:, :, top + low : top + high]
        torch.clamp_min(here, 0, out=inner) if relu else inner.copy_(here)
        part = [slot[:, :, row : row + count] for slot in slots]
        transform_input(_slices(chunk, 1, m, m + 2), part, _scratch(part[0], workspace))


def _multiply(
    x: Tensor, name: str, filters: Tensor, tile: Tile, axis: int, workspace: Workspace
) -> Tensor:
    """Convolve ``x (B, t, h, w, C)`` by tiles along ``axis`` (2 or 3) and those after it.

    ``x`` includes its borders. It lies in buffer ``name``, which the result
    ``(B, t, h - 2, w - 2, N)`` may take over.
    """
    if axis == 4:
        images = x.flatten(0, 1).permute(0, 3, 1, 2)  # (B * t, C, h, w), channels-last
        return F.conv2d(images, filters).permute(0, 2, 3, 1).unflatten(0, x.shape[:2])
    m = tile[axis - 1]
    if m == 0:
        return _multiply(x, name, filters[0], tile, axis + 1, workspace)
    slices = _slices(x, axis, m, m + 2)
    names = [f"axis{axis}-{i}" for i in range(m + 2)]
    slots = [workspace.view(slot, slices[0].shape, x) for slot in names]
    _by_rows(transform_input, slices, slots, workspace)
    products = [
        _multiply(slot, slot_name, of_one, tile, axis + 1, workspace)
        for slot, slot_name, of_one in zip(slots, names, filters, strict=True)
    ]
    shape = list(products[0].shape)
    shape[axis] *= m
    y = workspace.view(name, shape, x)
    _by_rows(transform_output, products, _slices(y, axis, m, m), workspace)
    return y


def _write(
    products: list[Tensor],
    m: int,
    y: Tensor,
    first: int,
    bias: Tensor | None,
    residual: Tensor | None,
    relu: bool,
    workspace: Workspace,
) -> None:
    """Transform the products of a block back in time, and finish the rows from ``first``."""
    batch, frames, height, width, channels = y.shape
    time = products[0].shape[1]
    rows = min(products[0].shape[2], height - first)
    step = _rows_at_a_time(products[0])
    for row in range(0, rows, step):
        count = min(step, rows - row)
        chunk = workspace.view("chunk", (batch, time * max(m, 1), count, width, channels), y)
        here = [p[:, :, row : row + count, :width] for p in products]
        out = _slices(chunk, 1, m, m)
        transform_output(here, out, _scratch(out[0], workspace))
        done = chunk[:, :frames]
        if bias is not None:
            done.add_(bias)
        if residual is not None:
            done.add_(residual[:, :, first + row : first + row + count])
        place = y[:, :, first + row : first + row + count]
        torch.clamp_min(done, 0, out=place) if relu else place.copy_(done)
