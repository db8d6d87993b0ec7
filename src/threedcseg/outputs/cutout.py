"""The object on another background."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from threedcseg.outputs.background import open_background
from threedcseg.outputs.formats import SegmentedFrame, Sink, open_video_of, output_format
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.frame import FrameSource
from threedcseg.video.picture import in_depth_of


@output_format("cutout", "cutout.mp4", summary="MP4, the object on --background")
@contextmanager
def open_cutout(path: Path, source: FrameSource, rendering: Rendering) -> Iterator[Sink]:
    """A video of the object on the background that ``rendering`` names."""
    with open_background(rendering.background, source.height, source.width) as background:

        def picture(result: SegmentedFrame) -> np.ndarray:
            behind = background.behind(result.picture, result.alpha, result.frame.time)
            return cut_out(result.colors, result.alpha, behind)

        with open_video_of(path, source, picture) as sink:
            yield sink


def cut_out(image: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """``image`` where ``alpha`` is 255, ``background`` where it is 0, a blend between.

    Args:
        image: ``(H, W, 3)`` RGB, uint8 or uint16.
        background: ``(H, W, 3)`` RGB, of the type of ``image`` or uint8.
        alpha: ``(H, W)`` uint8.

    Returns:
        ``(H, W, 3)`` RGB of the type of ``image``.
    """
    weight = alpha.astype(np.float32) / 255
    if image.dtype == np.uint16:
        if background.dtype == np.uint8:
            background = in_depth_of(image, background)
        both = (image.astype(np.float32), background.astype(np.float32))
        return np.rint(cv2.blendLinear(*both, weight, 1 - weight)).astype(np.uint16)
    return cv2.blendLinear(image, background, weight, 1 - weight)
