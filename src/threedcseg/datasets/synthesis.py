"""Training clips from still images, by random affine and piecewise-affine motion (section 4.2).

All warps of a frame are composed into one sampling field, so that each pixel is interpolated once
however many transformations it went through. Fields map output pixels to input pixels, float32
``(H, W, 2)`` as (x, y).
"""

from dataclasses import dataclass

import cv2
import numpy as np


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

    ``centre`` (x, y) is what the motion turns and zooms about, by default the frame's middle.
    """
    x0, y0 = centre or (width / 2, height / 2)
    size = np.array([width, height], np.float32)
    shift = rng.uniform(-1, 1, 2) * motion.shift
    zoom = rng.uniform(-1, 1) * motion.zoom
    turn = np.deg2rad(rng.uniform(-1, 1) * motion.turn)
    bends = rng.normal(0, motion.bend / 2, (2, 4, 4, 2)).astype(np.float32) * size
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    fields = []
    for phase in np.linspace(-0.5, 0.5, num_frames) if num_frames > 1 else [0.0]:
        scale, angle = np.exp(phase * zoom), phase * turn
        offset = phase * shift + rng.normal(0, motion.shake, 2)
        cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
        linear = np.array([[cos, sin], [-sin, cos]], np.float32)
        field = (grid - (x0, y0) - offset * size) @ linear.T + (x0, y0)
        bend = bends[0] * phase + bends[1] * phase * phase  # (4, 4, 2) control points
        field += cv2.resize(bend.astype(np.float32), (width, height))
        fields.append(field.astype(np.float32))
    return fields


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


def moving_object(
    image: np.ndarray,
    mask: np.ndarray,
    background: np.ndarray,
    num_frames: int,
    object_motion: Motion,
    background_motion: Motion,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """The object of ``image`` moves over ``background``, which moves in its own way.

    Shapes as in `moving_still`; ``background`` has the image's size. Edges are blended over about
    a pixel, so that the seam does not give the object away.
    """
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    centre = (float(columns.mean()), float(rows.mean())) if len(rows) else None
    object_fields = motion_fields(height, width, num_frames, object_motion, rng, centre)
    background_fields = motion_fields(height, width, num_frames, background_motion, rng)
    soft = cv2.GaussianBlur(mask, (3, 3), 0)
    frames, masks = [], []
    for object_field, background_field in zip(object_fields, background_fields, strict=True):
        alpha = warp(soft, object_field, cv2.BORDER_CONSTANT)[..., None].astype(np.float32) / 255
        front = warp(image, object_field)
        back = warp(background, background_field)
        frames.append((front * alpha + back * (1 - alpha) + 0.5).astype(np.uint8))
        masks.append(np.where(alpha[..., 0] > 0.5, np.uint8(255), np.uint8(0)))
    return np.stack(frames), np.stack(masks)
