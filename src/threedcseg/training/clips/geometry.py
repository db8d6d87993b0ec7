"""Where the pixels of a clip come from: camera motion, bends, crops and placements as one warp.

Everything here is small and in numpy; `Warp` is evaluated on the device (`rendering`). Pixels are
named by the coordinates (x, y) of their centres.
"""

from dataclasses import dataclass

import numpy as np

from threedcseg.training.clips.draw import Draw
from threedcseg.training.clips.synthesis import CONTROL, Motion

CAMERA = Motion(shake=0.002)
MOVER = Motion(shift=0.3, bend=0.05, shake=0.002)


@dataclass(frozen=True)
class Warp:
    """For each frame of a clip, which point of a picture is seen at a point (x, y) of the frame.

    ``matrix (T, 2, 3)``: of (x, y, 1). To that is added what the control points ``bend
    (T, 2, 4, 4)``, in pixels of the picture, are bicubically at (x, y).
    """

    matrix: np.ndarray
    bend: np.ndarray

    def then(self, affine: np.ndarray) -> "Warp":
        """Followed by an affine map ``(2, 3)`` or ``(T, 2, 3)`` of the picture's points."""
        linear = affine[..., :2]
        matrix = linear @ self.matrix
        matrix[..., 2] += affine[..., 2]
        return Warp(matrix, np.einsum("...ij,...jkl->...ikl", linear, self.bend))

    def nearer(self, depth: float) -> "Warp":
        """What is ``depth`` times as near to the camera moves so many times as far."""
        return Warp(IDENTITY + depth * (self.matrix - IDENTITY), depth * self.bend)

    def plus(self, other: "Warp") -> "Warp":
        """Both motions together."""
        return Warp(self.matrix + other.matrix - IDENTITY, self.bend + other.bend)

    @property
    def scale(self) -> float:
        """Pixels of the picture to one of the frame, the mean over the clip."""
        return float(np.sqrt(np.abs(np.linalg.det(self.matrix[..., :2]))).mean())


IDENTITY = np.eye(2, 3)


def still(clip_length: int) -> Warp:
    """No motion."""
    matrix = np.broadcast_to(IDENTITY, (clip_length, 2, 3)).copy()
    return Warp(matrix, np.zeros((clip_length, 2, CONTROL, CONTROL)))


def moving(
    draw: Draw,
    clip_length: int,
    size: tuple[int, int],
    motion: Motion,
    amount: float = 1.0,
    centre: tuple[float, float] | None = None,
) -> Warp:
    """A smooth random motion in a frame of ``size`` (height, width); its middle moves least.

    ``amount`` scales all of it; ``centre`` (x, y) is what it turns and zooms about, by default the
    frame's middle.
    """
    extent = np.array([size[1], size[0]], float)
    about = extent / 2 if centre is None else np.array(centre)
    phase = np.linspace(-0.5, 0.5, clip_length) if clip_length > 1 else np.zeros(1)
    shift = draw.uniform(-1, 1, 2) * motion.shift
    zoom = draw.number(-1, 1) * motion.zoom * amount
    turn = np.deg2rad(draw.number(-1, 1) * motion.turn * amount)
    offset = amount * (phase[:, None] * shift + draw.normal(clip_length, 2) * motion.shake)
    cos, sin = np.cos(phase * turn), np.sin(phase * turn)
    linear = np.array([[cos, sin], [-sin, cos]]) / np.exp(phase * zoom)  # (2, 2, T)
    linear = linear.transpose(2, 0, 1)
    moved = about - np.einsum("tij,tj->ti", linear, about + offset * extent)
    control = draw.normal(2, 2, CONTROL, CONTROL) * (motion.bend / 2 * amount)
    control = control * extent[:, None, None]
    along = phase[:, None, None, None]
    bend = control[0] * along + control[1] * along**2
    return Warp(np.concatenate([linear, moved[..., None]], -1), bend)


def shifted(warp: Warp, offsets: np.ndarray) -> Warp:
    """The thing that ``warp`` shows is seen ``offsets (T, 2)`` pixels (x, y) further."""
    matrix = warp.matrix.copy()
    matrix[..., 2] -= np.einsum("tij,tj->ti", matrix[..., :2], offsets)
    return Warp(matrix, warp.bend)


def crop(
    draw: Draw,
    source: tuple[int, int],
    size: tuple[int, int],
    scale: tuple[float, float],
    stretch: float,
    flip: float = 0.5,
) -> np.ndarray:
    """A random rectangle of a ``source`` (height, width) as the affine map from frame to source.

    Its rows are ``scale`` (low, high) of the most that fit there; its shape that of the frame of
    ``size``, changed by up to exp(``stretch``); it is mirrored with probability ``flip``.
    """
    height, width = size
    aspect = width / height * np.exp(draw.number(-stretch, stretch))
    rows = min(source[0], source[1] / aspect) * draw.number(*scale)
    columns = rows * aspect
    top = draw.number(0, 1) * (source[0] - rows)
    left = draw.number(0, 1) * (source[1] - columns)
    return rectangle(top, left, rows, columns, size, mirrored=draw.chance(flip))


def rectangle(
    top: float,
    left: float,
    rows: float,
    columns: float,
    size: tuple[int, int],
    mirrored: bool = False,
) -> np.ndarray:
    """The affine map from a frame of ``size`` to a rectangle of a picture, ``(2, 3)``."""
    x, y = columns / size[1], rows / size[0]
    across = [x, 0.0, left + 0.5 * x - 0.5]
    if mirrored:
        across = [-x, 0.0, left + (size[1] - 0.5) * x - 0.5]
    return np.array([across, [0.0, y, top + 0.5 * y - 0.5]])


def placement(
    box: tuple[float, float, float, float],
    centre: tuple[float, float],
    height: float,
    mirrored: bool = False,
) -> np.ndarray:
    """The affine map that shows a ``box`` (top, left, height, width) of a picture at ``centre``.

    The box gets ``height`` pixels, fewer where it is wide, so that it is at most 1.4 times as wide.
    """
    top, left, rows, columns = box
    scale = max(rows / height, columns / (1.4 * height))
    middle = np.array([left + (columns - 1) / 2, top + (rows - 1) / 2])
    linear = np.diag([-scale if mirrored else scale, scale])
    return np.column_stack([linear, middle - linear @ np.array(centre)])
