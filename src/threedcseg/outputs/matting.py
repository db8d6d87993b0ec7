"""Real matting: how much of each pixel around an object's edge is the object, hair and blur too.

In a band around the edge, wide where the network doubts and things move fast, alpha is what three
things agree on best, a sparse system solved by conjugate gradients:

- In small windows alpha is a line of the colours (closed-form matting, Levin et al., CVPR 2006);
  the matrix is never built: box filters multiply by it (He et al., CVPR 2010).
- A pixel is a mixture of two colours nearby that are surely the object's and surely not (robust
  matting, Wang and Cohen, CVPR 2007), the more so the better the best pair explains it.
- Alpha moves with the picture: the last frame's, brought along by optical flow where that fits.

Where these know nothing, the probabilities decide. `benchmarks/edges.py` measures all of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np

from threedcseg.outputs.edges import disk, soft_alpha
from threedcseg.outputs.regions import of_nearest

WORKED_AT = 540  # pixels of the shorter side, at the most; larger frames get its colour lines
UNSURE = (
    0.05  # probabilities this near to 0 or 1 are sure inside an object; outside, hair is missed
)
INSIDE, OUTSIDE, SAMPLES = 4 / 480, 14 / 480, 20 / 480  # shares of the shorter side
RADIUS, EVEN = 2, 1e-5  # of the windows of colour lines; the variance below which one is even
# Weights in the system, beside 1 for the lines.
CERTAIN = 10.0  # outside the band
MIXED = 0.1  # the best pair of colours
LIKELY, LIKELY_OBJECT = 0.01, 0.05  # the probabilities: they miss hair, but not what is inside it
STEADY = 0.1  # the last frame's alpha
FOLLOWED_FROM = 64  # pixels of the shorter side: OpenCV's flow crashes on low strips
FIT, FOLLOWED = 0.01, 0.02  # colours, in [0, 1]: errors of a pair, and of flow, that are usual
EXPECTED = 0.003  # squared error of colour that a pair must gain to leave the probabilities
ITERATIONS = 20
AROUND = [(0.0, 0.0), *((np.sin(turn), np.cos(turn)) for turn in np.arange(8) * np.pi / 4)]


@dataclass(frozen=True, eq=False)
class _Last:
    """A frame at the size that is worked at, in colour and gray, and its alpha."""

    image: np.ndarray
    gray: np.ndarray
    alpha: np.ndarray


class Matting:
    """Alpha of one frame after the other; holds the last one."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._last: _Last | None = None

    def next(self, image: np.ndarray, probabilities: np.ndarray, begins_shot: bool) -> np.ndarray:
        """Alpha, ``(H, W)`` uint8, of ``(H, W, 3)`` uint8 RGB and ``(H, W)`` float32."""
        height, width = probabilities.shape
        scale = min(1.0, WORKED_AT / min(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        colors = small.astype(np.float32) / 255
        likely = cv2.resize(soft_alpha(probabilities), size, interpolation=cv2.INTER_AREA)
        likely = likely.astype(np.float32) / 255
        gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        moved, trust, speed = likely, np.zeros_like(likely), 0.0
        if self._last is not None and not begins_shot and min(size) >= FOLLOWED_FROM:
            moved, trust, speed = self._follow(self._last, colors, gray, likely)
        alpha = _matte(colors, likely, moved, trust, speed)
        self._last = _Last(colors, gray, alpha)
        if scale < 1:
            alpha = _enlarged(colors, alpha, image)
        return np.rint(255 * alpha).astype(np.uint8)

    def _follow(
        self, last: _Last, colors: np.ndarray, gray: np.ndarray, likely: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """The last alpha where its pixels are now, how much it is to be trusted, in [0, 1], and how
        fast the object's edge moves in pixels a frame."""
        flow = self._flow.calc(gray, last.gray, np.zeros((*gray.shape, 2), np.float32))
        rows, columns = np.indices(gray.shape, np.float32)
        there = columns + flow[..., 0], rows + flow[..., 1]
        alpha = cv2.remap(last.alpha, *there, cv2.INTER_LINEAR, borderValue=-1.0)
        image = cv2.remap(last.image, *there, cv2.INTER_LINEAR)
        error = _squared(image - colors)
        trust = np.where(alpha < 0, 0, np.exp(-error / (2 * FOLLOWED**2))).astype(np.float32)
        edge = (likely > UNSURE) & (likely < 1 - UNSURE)
        speed = float(np.median(np.linalg.norm(flow[edge], axis=1))) if edge.any() else 0.0
        return np.maximum(alpha, 0), trust, speed


def _matte(
    image: np.ndarray, likely: np.ndarray, moved: np.ndarray, trust: np.ndarray, speed: float
) -> np.ndarray:
    """``(h, w)`` float32 alpha in [0, 1]; ``image`` ``(h, w, 3)``, the others ``(h, w)``."""
    short = min(likely.shape)
    band = _band(likely, INSIDE * short + speed / 4, OUTSIDE * short + speed / 4)
    out = (likely > 0.5).astype(np.float32)
    x, y, width, height = cv2.boundingRect(band)
    if not width:
        return out
    margin = round(SAMPLES * short) + 4 * RADIUS
    box = (
        slice(max(0, y - margin), y + height + margin),
        slice(max(0, x - margin), x + width + margin),
    )
    inside = band[box] > 0
    known = out[box]
    prior, weight = known.copy(), np.full(known.shape, np.float32(CERTAIN))
    object, background = ((known > 0.5) == side for side in (True, False))
    object &= ~inside
    background &= ~inside
    doubtful = likely[box][inside]
    terms = [
        (doubtful, np.where(doubtful > 0.5, LIKELY_OBJECT, LIKELY) * np.abs(2 * doubtful - 1)),
        (moved[box][inside], STEADY * trust[box][inside]),
    ]
    if object.any() and background.any():
        reach = SAMPLES * short
        terms.append(_mixtures(image[box], inside, (object, background), doubtful, reach))
    weight[inside] = sum(each for _, each in terms) + np.float32(1e-4)
    prior[inside] = sum(value * each for value, each in terms) / weight[inside]
    alpha = _solve(_ColorLines(image[box]), prior, weight)
    out[box] = np.where(inside, np.clip(alpha, 0, 1), known)
    return _attached(out)


def _band(likely: np.ndarray, inside: float, outside: float) -> np.ndarray:
    """Where alpha is open, ``(h, w)`` uint8 0 and 1; widths in pixels."""
    object = (likely > 0.5).astype(np.uint8)
    edge = cv2.morphologyEx(object, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    edge[(likely > UNSURE) & (likely < 1 - UNSURE)] = 1
    band = cv2.dilate(np.maximum(object, edge), disk(round(outside)))
    band[object > 0] = 0
    return np.maximum(band, cv2.dilate(edge, disk(round(inside))))


def _mixtures(
    image: np.ndarray,
    inside: np.ndarray,
    sure: tuple[np.ndarray, np.ndarray],
    likely: np.ndarray,
    reach: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Alpha and weight, ``(n,)`` each, of the ``n`` pixels inside, which are ``likely`` the object:
    by the pair that fits best of colours of the object and of the background. Those are the ones of
    the ``sure`` pixels nearest to the pixel, and to eight others ``reach`` pixels around it."""
    rows, columns = np.nonzero(inside)
    height, width = inside.shape
    channels = np.ascontiguousarray(image.transpose(2, 0, 1).reshape(3, -1))  # (3, h * w)
    flat = np.arange(height * width).reshape(height, width)
    samples = []
    for side in sure:
        nearest = of_nearest(flat, side)
        places = [
            nearest[
                np.clip(rows + round(reach * down), 0, height - 1),
                np.clip(columns + round(reach * right), 0, width - 1),
            ]
            for down, right in AROUND
        ]
        samples.append([channels[:, place] for place in places])
    pixels = channels[:, rows * width + columns]
    lowest = np.full(len(rows), np.inf, np.float32)
    alpha, error, contrast = likely.copy(), np.zeros_like(likely), np.zeros_like(likely)
    for behind in samples[1]:
        rest = pixels - behind
        for front in samples[0]:
            apart = front - behind
            length = _dot(apart, apart)
            share = np.clip(_dot(rest, apart) / (length + np.float32(1e-4)), 0, 1)
            left = rest - share * apart
            misfit = _dot(left, left)
            cost = misfit + np.float32(EXPECTED) * (share - likely) ** 2
            better = cost < lowest
            found = (lowest, cost), (alpha, share), (error, misfit), (contrast, length)
            for kept, value in found:
                np.copyto(kept, value, where=better)
    return alpha, MIXED * np.exp(-error / (2 * FIT**2)) * np.minimum(1, contrast / 0.05)


class _ColorLines:
    """Fits of alpha by lines of colour, ``a . color + b``, in the window around every pixel."""

    def __init__(self, image: np.ndarray) -> None:
        self._channels = cv2.split(image)
        self._means = [_window(channel) for channel in self._channels]
        (rr, rg, rb), (_, gg, gb), (_, _, bb) = (
            [
                _window(one * other) - mean * mean_other + np.float32(EVEN * (i == j))
                for j, (other, mean_other) in enumerate(
                    zip(self._channels, self._means, strict=True)
                )
            ]
            for i, (one, mean) in enumerate(zip(self._channels, self._means, strict=True))
        )
        minors = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
        scale = 1 / (rr * minors[0] + rg * minors[1] + rb * minors[2])
        a, b, c = (minor * scale for minor in minors)
        d, e, f = (
            (rr * bb - rb * rb) * scale,
            (rg * rb - rr * gb) * scale,
            (rr * gg - rg * rg) * scale,
        )
        self._inverse = (a, b, c), (b, d, e), (c, e, f)

    def lines(self, alpha: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """Slopes for each channel and offset of the windows around each pixel, averaged."""
        mean = _window(alpha)
        covariances = [
            _window(channel * alpha) - of_channel * mean
            for channel, of_channel in zip(self._channels, self._means, strict=True)
        ]
        slopes = [_dot(row, covariances) for row in self._inverse]
        offset = mean - _dot(slopes, self._means)
        return [_window(slope) for slope in slopes], _window(offset)

    def misfit(self, alpha: np.ndarray) -> np.ndarray:
        """What the lines do not explain: the matting Laplacian times alpha."""
        slopes, offset = self.lines(alpha)
        return alpha - _dot(slopes, self._channels) - offset


def _solve(lines: _ColorLines, prior: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """What the lines and the weighed prior agree on, by preconditioned conjugate gradients."""
    alpha = prior.copy()
    rest = -lines.misfit(alpha)  # weight * (prior - alpha) is 0 here
    scale = 1 / (1 + weight)
    way = scale * rest
    length = np.vdot(rest, way)
    for _ in range(ITERATIONS):
        step = lines.misfit(way) + weight * way
        share = length / max(np.vdot(way, step), 1e-12)
        alpha += share * way
        rest -= share * step
        before, scaled = length, scale * rest
        length = np.vdot(rest, scaled)
        way = scaled + (length / max(before, 1e-12)) * way
    return alpha


def _attached(alpha: np.ndarray) -> np.ndarray:
    """Without what hangs on no object, such as leaves of its colour; nearly 0 and 1 are whole."""
    alpha = np.clip((alpha - 0.08) / 0.84, 0, 1)
    _, labels = cv2.connectedComponents((alpha > 0).astype(np.uint8), connectivity=8)
    kept = np.zeros(labels.max() + 1, bool)
    kept[labels[alpha == 1]] = True
    return alpha * kept[labels]


def _enlarged(colors: np.ndarray, alpha: np.ndarray, image: np.ndarray) -> np.ndarray:
    """``(h, w)`` alpha of small ``colors`` as ``(H, W)`` of ``image``, by its colour lines."""
    size = image.shape[1], image.shape[0]
    slopes, offset = _ColorLines(colors).lines(alpha)
    plain = cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR)
    fitted = cv2.resize(offset, size)
    for slope, channel in zip(slopes, cv2.split(image), strict=True):
        fitted = fitted + cv2.resize(slope, size) * (channel / np.float32(255))
    between = cv2.dilate(cv2.inRange(plain, 0.01, 0.99), np.ones((3, 3), np.uint8)) > 0
    return np.where(between, np.clip(fitted, 0, 1), plain)


def _window(values: np.ndarray) -> np.ndarray:
    side = 2 * RADIUS + 1
    return cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT)


def _dot(one: Iterable[np.ndarray], other: Iterable[np.ndarray]) -> np.ndarray:
    return reduce(np.add, map(np.multiply, one, other))


def _squared(difference: np.ndarray) -> np.ndarray:
    return np.einsum("ijk,ijk->ij", difference, difference)
