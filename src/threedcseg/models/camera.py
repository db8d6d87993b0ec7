"""How the camera moved between frames of a clip: one affine motion a pair, six numbers.

A search for the best shift at stride 8, then Gauss-Newton steps (inverse compositional, Baker and
Matthews 2004) from coarse to fine, with weights that leave out what does not follow. There is no
optical flow. All is tensor arithmetic with a fixed number of steps, so that it runs on any device,
in batches, and in exported graphs.

A motion is ``(2, 3)`` in coordinates from -1 to 1 across the frame: what the frame shows at
``(x, y)`` its neighbour shows at ``motion @ (x, y, 1)``. Each comes with how far it can be
trusted, from 0 to 1: not at all across a cut, without texture, or with too little overlap.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Steps = tuple[tuple[int, tuple[float, ...]], ...]

SEARCH = (24, 12)
"""Largest shifts that are tried, in columns and rows of stride 8."""
MOST = 0.1
"""A larger difference of gray levels, of 1, counts as this in the search."""
NOISE = 0.02
"""Gray levels below which a difference says nothing."""
STEPS: Steps = ((8, (1.0, 0.5)), (4, (1.0, 0.7, 0.5)), (2, (0.5,)))
"""Strides, coarse to fine, and for each step how many pixels off a place may be and still count."""
AGAIN: Steps = ((4, (0.7,)), (2, (0.5,)))
"""The same for a motion over several frames, which starts from those between them."""
FOLLOWS = (0.33, 0.45)
"""Share of the texture that follows a motion: where trust begins, and where it is complete.

On DAVIS training sequences, frames of different scenes have at most 0.36 (98 of 100), frames whose
background comes to lie within a pixel at least 0.46.
"""
OVERLAP = (0.2, 0.5)
"""The same for the share of the frame that its neighbour shows, too."""
TEXTURE = (0.0, 1e-4)
"""The same for the mean square of the gradient a pixel."""
LAGS = (1, 3)
"""Neighbours are so many frames away, before and after, where a clip comes without context."""


@dataclass(frozen=True)
class Level:
    """Gray frames at one stride, and what the steps need of them: ``(N, h, w)`` each."""

    gray: Tensor
    gx: Tensor
    gy: Tensor

    @classmethod
    def of(cls, gray: Tensor) -> "Level":
        """From gray frames ``(N, 1, h, w)``: without what is even over 5 pixels."""
        fine = (gray - averaged(gray))[:, 0]
        wide = F.pad(fine[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
        across = (wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2]) / 2
        down = (wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1]) / 2
        return cls(fine, across, down)

    def later(self, lag: int, batch: int) -> "Level":
        """Of the frames of clips, those that have one ``lag`` frames before them."""
        return Level(*(later(x, lag, batch) for x in (self.gray, self.gx, self.gy)))


# PyTorch's pooling takes ten times as long as these slices, but is a smaller graph to export.


def halved(maps: Tensor) -> Tensor:
    """``(N, C, H, W)``, averaged over squares of 2x2, those at odd ends over what there is."""
    if torch.compiler.is_compiling():
        return F.avg_pool2d(maps, 2, ceil_mode=True)
    height, width = maps.shape[2:]
    if height % 2 or width % 2:
        maps = F.pad(maps, (0, width % 2, 0, height % 2), mode="replicate")
    rows = maps[:, :, ::2] + maps[:, :, 1::2]
    return (rows[..., ::2] + rows[..., 1::2]) / 4


def averaged(maps: Tensor) -> Tensor:
    """``(N, C, H, W)``, each place averaged over the 5x5 around it, as far as there are such."""
    if torch.compiler.is_compiling():
        return F.avg_pool2d(maps, 5, 1, 2, count_include_pad=False)
    rows = F.pad(torch.cat([maps, torch.ones_like(maps[:1])]), (2, 2, 2, 2))
    rows = rows[:, :, :-4] + rows[:, :, 1:-3] + rows[:, :, 2:-2] + rows[:, :, 3:-1] + rows[:, :, 4:]
    sums = rows[..., :-4] + rows[..., 1:-3] + rows[..., 2:-2] + rows[..., 3:-1] + rows[..., 4:]
    return sums[:-1] / sums[-1:]


def centres(count: int, like: Tensor) -> Tensor:
    """``(count,)``: where the centres of pixels are along a side, from -1 to 1 across the frame."""
    return (torch.arange(count, device=like.device) * 2 + 1) / count - 1


def places(motions: Tensor, height: int, width: int) -> Tensor:
    """Where the pixels of a frame are in its neighbour: ``(N, 2, 3)`` to ``(N, H, W, 2)``."""
    along = motions[:, :, :1] * centres(width, motions) + motions[:, :, 2:]  # (N, 2, W)
    down = motions[:, :, 1:2] * centres(height, motions)  # (N, 2, H)
    return (along[:, :, None] + down[..., None]).permute(0, 2, 3, 1)


def inside(points: Tensor) -> Tensor:
    """Of points ``(N, H, W, 2)``: 0 outside the frame, 1 from a pixel within it on."""
    height, width = points.shape[1:3]
    x, y = points.abs().unbind(-1)
    across, down = (width - 1 - width * x) / 2, (height - 1 - height * y) / 2
    return across.clamp(0.0, 1.0) * down.clamp(0.0, 1.0)


def compose(first: Tensor, second: Tensor) -> Tensor:
    """The motion that applies ``first``, then ``second``: ``(N, 2, 3)`` each."""
    return second[:, :, :2] @ first + F.pad(second[:, :, 2:], (2, 0))


def invert(motions: Tensor) -> Tensor:
    """The opposite of motions ``(N, 2, 3)``."""
    a, b, x = motions[:, 0].unbind(-1)
    c, d, y = motions[:, 1].unbind(-1)
    rows = [d, -b, b * y - d * x, -c, a, c * x - a * y]
    return (torch.stack(rows, -1) / (a * d - b * c)[:, None]).unflatten(-1, (2, 3))


def ramp(x: Tensor, ends: tuple[float, float]) -> Tensor:
    """0 up to the first end, 1 from the second on."""
    first, last = ends
    return ((x - first) / (last - first)).clamp(0.0, 1.0)


def solve(rows: Tensor) -> Tensor:
    """``x (N, k)`` of ``matrix @ x = right``, both in ``(N, k, k + 1)``, ``right`` the last column.

    ``matrix`` is symmetric and positive definite. By Gauss and Jordan: `torch.linalg.solve` cannot
    be exported.
    """
    count = rows.shape[1]
    unit = torch.eye(count, device=rows.device)
    for k in range(count):
        pivot = rows[:, k : k + 1]  # (N, 1, k + 1)
        rows = rows - (rows[:, :, k : k + 1] - unit[:, k : k + 1]) * (pivot / pivot[..., k : k + 1])
    return rows[..., -1]


def search(frames: Tensor, neighbours: Tensor) -> Tensor:
    """The best shift between ``(N, h, w)`` of stride 8, as motions ``(N, 2, 3)``.

    Every second pixel of every second row is compared. Pixels that a shift moves out of the frame
    count as much as those of a shift taken at random, nearly.
    """
    height, width = frames.shape[1:]
    columns, rows = SEARCH
    device = frames.device
    outside = 100.0  # differs by more than `MOST`
    padded = F.pad(neighbours, (columns, columns, rows, rows), value=outside)
    stride = width + 2 * columns
    y, x = torch.arange(0, height, 2, device=device), torch.arange(0, width, 2, device=device)
    dy = torch.arange(2 * rows + 1, device=device)[:, None]
    dx = torch.arange(2 * columns + 1, device=device)
    index = (dy * stride + dx).flatten()[:, None] + (y[:, None] * stride + x).flatten()
    # Not `[:, index]`, which takes three times as long.
    there = padded.flatten(1).index_select(1, index.flatten()).unflatten(1, index.shape)
    off = (there - frames[:, None, ::2, ::2].flatten(2)).abs_().clamp_(max=MOST)
    off = off.mean(-1)  # (N, shifts), from (N, shifts, places)
    seen_y = ((y + dy >= rows) & (y + dy < height + rows)).to(off.dtype).mean(-1)
    seen_x = ((x + dx[:, None] >= columns) & (x + dx[:, None] < width + columns)).to(off.dtype)
    seen = (seen_y[:, None] * seen_x.mean(-1)).flatten()  # (shifts,)
    cost = off - MOST * (1 - seen)
    typical = cost.mean(1, keepdim=True) / seen.mean()
    best = (cost + 0.8 * typical * (1 - seen)).argmin(-1)
    moved_x = (best % (2 * columns + 1) - columns) * 2 / width
    moved_y = (best // (2 * columns + 1) - rows) * 2 / height
    one, zero = torch.ones_like(moved_x), torch.zeros_like(moved_x)
    return torch.stack([one, zero, moved_x, zero, one, moved_y], -1).unflatten(-1, (2, 3))


def refine(
    frames: Level, neighbours: Tensor, motions: Tensor, steps: tuple[float, ...]
) -> tuple[Tensor, Tensor]:
    """Gauss-Newton steps from ``motions (N, 2, 3)`` on, to ``neighbours (N, h, w)``.

    Returns the motions and how far they can be trusted, ``(N,)`` from 0 to 1.
    """
    height, width = frames.gray.shape[1:]
    along, down = powers(centres(width, motions)), powers(centres(height, motions))
    # Sums over pixels, of y^2, y, 1 times x^2, x, 1 (places 0 to 8), to those of x, y, 1 squared.
    square = torch.tensor([[6, 4, 7], [4, 2, 5], [7, 5, 8]], device=motions.device)
    last = square[:, 2:]
    top = torch.cat([square, square + 9, last + 27], 1)
    order = torch.cat([top, torch.cat([square + 9, square + 18, last + 36], 1)])  # (6, 7)
    damping = 1e-3 * torch.eye(6, 7, device=motions.device)
    gray, gx, gy = frames.gray, frames.gx, frames.gy
    steep = gx * gx + gy * gy
    gx, gy = gx * (width / 2), gy * (height / 2)  # a unit of the coordinates, not a pixel
    products = torch.stack([gx * gx, gx * gy, gy * gy], 1)  # (N, 3, h, w)
    slopes = torch.stack([gx, gy], 1)  # (N, 2, h, w)
    weight = seen = gray
    for pixels in steps:
        points = places(motions, height, width)
        there = F.grid_sample(neighbours[:, None], points, align_corners=False)[:, 0]
        seen, off = inside(points), there - gray
        weight = seen / (1 + off * off / (pixels**2 * (steep + NOISE**2))) ** 2
        parts = [products * weight[:, None], slopes * (weight * off)[:, None]]
        sums = down @ F.linear(torch.cat(parts, 1), along)  # (N, 5, 3, 3)
        rows = sums.flatten(1)[:, order]  # (N, 6, 7)
        size = rows.diagonal(dim1=1, dim2=2).mean(-1) + 1e-6
        delta = solve(rows + damping * size[:, None, None]).clamp(-0.3, 0.3)
        # `motions` after the inverse of 1 + delta, which is 1 - delta nearly.
        motions = motions - motions[:, :, :2] @ delta.unflatten(-1, (2, 3))
    texture = (seen * steep).mean((1, 2)) + 1e-6
    follows = (weight * steep).mean((1, 2)) / texture
    trust = ramp(follows, FOLLOWS) * ramp(seen.mean((1, 2)), OVERLAP) * ramp(texture, TEXTURE)
    return motions, trust


def powers(x: Tensor) -> Tensor:
    """``(n,)`` to its squares, itself and ones, ``(3, n)``."""
    return torch.stack([x * x, x, torch.ones_like(x)])


def camera_motions(
    gray: Tensor, batch: int, lags: tuple[int, ...] = LAGS
) -> dict[int, tuple[Tensor, Tensor]]:
    """How the camera moved: gray frames ``(B*T, 1, H/2, W/2)`` of clips to motions for each lag.

    For each of ``lags`` below T, of which the first is 1: motions of the frames from the
    ``lag``-th on to those ``lag`` frames before them, ``(B*(T - lag), 2, 3)``, and how far they can
    be trusted, ``(B*(T - lag),)``: not at all where either frame is plain.
    """
    levels = {2: Level.of(gray)}
    textured = ramp((levels[2].gx ** 2 + levels[2].gy ** 2).mean((1, 2)), TEXTURE)  # (B*T,)
    for stride in (4, 8):
        gray = halved(gray)
        levels[stride] = Level.of(gray)
    frames = {stride: level.later(1, batch) for stride, level in levels.items()}
    before = {stride: earlier(level.gray, 1, batch) for stride, level in levels.items()}
    motions = search(frames[8].gray, before[8])
    trust = motions.new_zeros(len(motions))
    for stride, steps in STEPS:
        motions, trust = refine(frames[stride], before[stride], motions, steps)
    found = {1: (motions, trust * earlier(textured, 1, batch))}
    count = len(gray) // batch
    for lag in lags[1:]:
        if lag >= count:
            break
        single = motions.unflatten(0, (batch, -1))  # (B, T - 1, 2, 3)
        chain = single[:, lag - 1 :].flatten(0, 1)
        for back in range(1, lag):
            next_ = single[:, lag - 1 - back : count - 1 - back].flatten(0, 1)
            chain = compose(chain, next_)
        for stride, steps in AGAIN:
            level = levels[stride]
            chain, trust = refine(
                level.later(lag, batch), earlier(level.gray, lag, batch), chain, steps
            )
        found[lag] = chain, trust * earlier(textured, lag, batch)
    return found


def later(frames: Tensor, lag: int, batch: int) -> Tensor:
    """Of frames ``(B*T, ...)``, those that have one ``lag`` frames before them."""
    return part(frames, batch, lag, len(frames) // batch)


def earlier(frames: Tensor, lag: int, batch: int) -> Tensor:
    """Of frames ``(B*T, ...)``, those that have one ``lag`` frames after them."""
    return part(frames, batch, 0, len(frames) // batch - lag)


def part(frames: Tensor, batch: int, first: int, end: int) -> Tensor:
    """Of frames ``(B*T, ...)``, those of each clip from the ``first`` on, before the ``end``."""
    return frames.unflatten(0, (batch, -1))[:, first:end].flatten(0, 1)
