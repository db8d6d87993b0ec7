"""Training clips from still images, by random affine and piecewise-affine motion (section 4.2).

All warps of a frame are composed into one sampling field, so that each pixel is interpolated once
however many transformations it went through. Fields map output pixels to input pixels, float32
``(H, W, 2)`` as (x, y).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

CONTROL = 4
"""Points a side of the grid that bends."""


@dataclass(frozen=True)
class Motion:
    """How far things move from the first to the last frame of a synthetic clip.

    ``shift`` is a share of the frame's size, ``zoom`` a ratio minus one, ``turn`` in degrees,
    ``bend`` (the piecewise-affine part) a share of the frame's size; each is the largest
    amount drawn. ``shake`` is a jitter of every frame, a share of the frame's size.
    """

    shift: float = 0.2
    zoom: float = 0.2
    turn: float = 15.0
    bend: float = 0.03
    shake: float = 0.01


def motion_fields(
    height: int,
    width: int,
    num_frames: int,
    motion: Motion,
    rng: np.random.Generator,
    centre: tuple[float, float] | None = None,
) -> list[np.ndarray]:
    """One sampling field per frame for a smooth random motion; the middle frame moves least.

    The affine motion comes first, the piecewise-affine one upon it. ``centre`` (x, y) is what it
    turns and zooms about, by default the frame's middle.
    """
    x0, y0 = centre or (width / 2, height / 2)
    size = np.array([width, height], np.float32)
    shift = rng.uniform(-1, 1, 2) * motion.shift
    zoom = rng.uniform(-1, 1) * motion.zoom
    turn = np.deg2rad(rng.uniform(-1, 1) * motion.turn)
    control = rng.normal(0, motion.bend / 2, (2, CONTROL, CONTROL, 2)).astype(np.float32) * size
    bends = [piecewise_affine(points, height, width) for points in control]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    fields = []
    for phase in np.linspace(-0.5, 0.5, num_frames) if num_frames > 1 else [0.0]:
        scale, angle = np.exp(phase * zoom), phase * turn
        offset = phase * shift + rng.normal(0, motion.shake, 2)
        cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
        linear = np.array([[cos, sin], [-sin, cos]], np.float32)
        bent = grid + bends[0] * np.float32(phase) + bends[1] * np.float32(phase**2)
        field = (bent - (x0, y0) - offset * size) @ linear.T + (x0, y0)
        fields.append(field.astype(np.float32))
    return fields


def piecewise_affine(control: np.ndarray, height: int, width: int) -> np.ndarray:
    """Shifts ``(n, n, 2)`` of a grid of points from corner to corner of a frame, at all its pixels.

    ``(H, W, 2)``: each cell of the grid is two triangles, and affine in each of them.
    """
    last = len(control) - 1
    y = np.linspace(0, last, height, dtype=control.dtype)[:, None]
    x = np.linspace(0, last, width, dtype=control.dtype)
    row, column = np.minimum(y, last - 1).astype(int), np.minimum(x, last - 1).astype(int)
    down, across = (y - row)[..., None], (x - column)[..., None]
    lower = down + across > 1  # the triangle that has the cell's last corner, not its first
    corner = np.where(lower, control[row + 1, column + 1], control[row, column])
    beside = np.where(lower, control[row + 1, column], control[row, column + 1])
    below = np.where(lower, control[row, column + 1], control[row + 1, column])
    to_beside, to_below = np.where(lower, 1 - across, across), np.where(lower, 1 - down, down)
    return corner + to_beside * (beside - corner) + to_below * (below - corner)


def warp(image: np.ndarray, field: np.ndarray, border: int = cv2.BORDER_REFLECT_101) -> np.ndarray:
    """``image`` sampled at ``field``; masks should use ``cv2.BORDER_REFLECT_101`` as images do."""
    return cv2.remap(image, field[..., 0], field[..., 1], cv2.INTER_LINEAR, borderMode=border)


def moving_still(
    image: np.ndarray, mask: np.ndarray, num_frames: int, motion: Motion, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The whole still moves, object and background together.

    ``image (H, W, 3)`` uint8 and ``mask (H, W)`` uint8 {0, 255} to frames ``(T, H, W, 3)`` and
    masks ``(T, H, W)``.
    """
    height, width = mask.shape
    fields = motion_fields(height, width, num_frames, motion, rng)
    frames = np.stack([warp(image, field) for field in fields])
    masks = np.stack([warp(mask, field) for field in fields])
    return frames, np.where(masks > 127, np.uint8(255), np.uint8(0))


@dataclass(frozen=True)
class SyntheticScene:
    """What is in a synthetic scene besides the object that moves.

    ``distractors``, ``occluders``: the most things that stand behind and before it and move only
    as the background does, so that nothing but motion tells them from the object. ``twins``: the
    share of distractors that look like the object. ``scale``: (low, high) of the object's size
    against its still. ``wiggle``: the share of distractors that stir a little on the spot.
    """

    distractors: int = 0
    occluders: int = 0
    twins: float = 0.3
    scale: tuple[float, float] = (1.0, 1.0)
    wiggle: float = 0.5


AT_REST = Motion(0, 0, 0, 0, 0)
WIGGLE = Motion(shift=0.01, zoom=0.01, turn=2.0, bend=0.015, shake=0.0)


@dataclass(frozen=True)
class Sprite:
    """A flat thing in a scene, frame by frame.

    ``images (H, W, 3)`` uint8; ``alphas (H, W)`` uint8, 255 where it is opaque; ``fields``: where
    in them the frame's pixels are found. ``is_object``: to be segmented.
    """

    images: Sequence[np.ndarray]
    alphas: Sequence[np.ndarray]
    fields: Sequence[np.ndarray]
    is_object: bool = False

    @classmethod
    def of_still(
        cls,
        image: np.ndarray,
        mask: np.ndarray,
        fields: Sequence[np.ndarray],
        is_object: bool = False,
    ) -> "Sprite":
        """Its edge is blended over about a pixel, so that the seam does not give it away."""
        soft = cv2.GaussianBlur(mask, (3, 3), 0)
        return cls([image] * len(fields), [soft] * len(fields), fields, is_object)


def compose(
    background: np.ndarray, fields: Sequence[np.ndarray], sprites: Sequence[Sprite]
) -> tuple[np.ndarray, np.ndarray]:
    """A clip of ``sprites``, the farthest first, before a still that ``fields`` move.

    Frames ``(T, H, W, 3)`` and masks ``(T, H, W)`` uint8 {0, 255} of what is seen of the objects.
    """
    frames = np.stack([warp(background, field) for field in fields])
    masks = np.zeros(frames.shape[:3], np.uint8)
    for t, (frame, mask) in enumerate(zip(frames, masks, strict=True)):
        for sprite in sprites:
            alpha = warp(sprite.alphas[t], sprite.fields[t], cv2.BORDER_CONSTANT)
            x, y, width, height = cv2.boundingRect(alpha)
            window = slice(y, y + height), slice(x, x + width)
            if width == 0:
                continue
            front = warp(sprite.images[t], sprite.fields[t][window]).astype(np.float32)
            share = alpha[window][..., None].astype(np.float32) / 255
            frame[window] = frame[window] * (1 - share) + front * share + 0.5
            mask[window][alpha[window] > 127] = 255 if sprite.is_object else 0
    return frames, masks


def placed(
    fields: Sequence[np.ndarray],
    mask: np.ndarray,
    centre: tuple[float, float],
    scale: float,
) -> list[np.ndarray]:
    """``fields`` for a thing scaled and moved so that its ``mask``'s middle comes to ``centre``."""
    shift = np.array(middle(mask), np.float32) - np.array(centre, np.float32) / scale
    return [field / np.float32(scale) + shift for field in fields]


def nearer(fields: Sequence[np.ndarray], depth: float) -> list[np.ndarray]:
    """The motion of something ``depth`` times as near to the camera as what ``fields`` moves."""
    height, width = fields[0].shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    return [grid + (field - grid) * np.float32(depth) for field in fields]


def bar(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """The mask of a pole or branch across the frame, ``(H, W)`` uint8 {0, 255}."""
    thickness = max(1, round(width * rng.uniform(0.01, 0.07)))
    one, other = (round(end) for end in rng.uniform(-0.2, 1.2, 2) * width)
    mask = np.zeros((height, width), np.uint8)
    if rng.random() < 0.75:
        cv2.line(mask, (one, -thickness), (other, height + thickness), 255, thickness)
    else:
        cv2.line(mask, (-thickness, one), (width + thickness, other), 255, thickness)
    return mask


def middle(mask: np.ndarray) -> tuple[float, float]:
    """The centre (x, y) of the box around a mask; of the frame, if the mask is empty."""
    x, y, width, height = cv2.boundingRect(mask)
    if width == 0:
        height, width = mask.shape
    return x + width / 2, y + height / 2
