"""The picture people look at first: the object tinted and outlined on its frame."""

import cv2
import numpy as np

from threedcseg.outputs.formats import SegmentedFrame, video_format
from threedcseg.outputs.rendering import Rendering

COLOR = (255, 70, 110)
OPACITY = 0.5


@video_format("overlay", "overlay.mp4", summary="MP4, the object tinted and outlined", drawn_by=())
def overlay_picture(result: SegmentedFrame, rendering: Rendering) -> np.ndarray:
    """The frame with its object tinted."""
    return overlay(result.picture, result.mask)


def overlay(
    image: np.ndarray,
    mask: np.ndarray,
    color: tuple[int, int, int] = COLOR,
    opacity: float = OPACITY,
) -> np.ndarray:
    """Blend ``color`` over the object and draw its outline.

    Args:
        image: ``(H, W, 3)`` RGB, uint8 or uint16; not changed.
        mask: ``(H, W)`` bool, or uint8 where anything but 0 is object.
        color: RGB, 0 to 255.
        opacity: of the tint, 0 (outline only) to 1 (solid colour).

    Returns:
        ``(H, W, 3)`` RGB of the same type; equal to ``image`` outside the object and its outline.
    """
    if image.shape[:2] != mask.shape:
        raise ValueError(f"mask {mask.shape} does not fit the image {image.shape}")
    mask = np.ascontiguousarray(mask).view(np.uint8)
    out = image.copy()
    # The blend of a pixel with one fixed colour depends on the pixel's value alone: a table.
    most = np.iinfo(out.dtype).max
    tint = np.asarray(color) * (most // 255)
    levels = np.arange(most + 1)[:, None] * (1 - opacity) + tint * opacity
    table = np.rint(levels).astype(out.dtype).reshape(1, most + 1, 3)
    cv2.copyTo(cv2.LUT(out, table), mask, out)
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    thickness = max(1, round(min(mask.shape) / 240))
    cv2.drawContours(out, outlines, -1, tint.tolist(), thickness, cv2.LINE_AA)
    return out
