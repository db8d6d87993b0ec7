"""The object without its surroundings, as videos with alpha."""

from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np

from threedcseg.outputs.formats import SegmentedFrame, Sink, open_video_of, output_format
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.encoder import PRORES_4444, VP9_ALPHA
from threedcseg.video.frame import FrameSource

_RIM = 16  # pixels of surroundings kept under transparent alpha, so that no codec bleeds black in


@output_format("alpha.mov", "alpha.mov", summary="ProRes 4444 with alpha, for editors")
def open_mov(path: Path, source: FrameSource, rendering: Rendering) -> AbstractContextManager[Sink]:
    """What editors open; the alpha is the mask, bit for bit."""
    return open_video_of(path, source, lambda result: _picture(result, rendering), PRORES_4444)


@output_format("alpha.webm", "alpha.webm", summary="VP9 with alpha, for browsers")
def open_webm(
    path: Path, source: FrameSource, rendering: Rendering
) -> AbstractContextManager[Sink]:
    """What browsers play with their page behind it."""
    return open_video_of(path, source, lambda result: _picture(result, rendering), VP9_ALPHA)


def _picture(result: SegmentedFrame, rendering: Rendering) -> np.ndarray:
    return with_alpha(result.frame.image, result.alpha(rendering.edges))


def with_alpha(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """RGBA with straight (not premultiplied) colour: ``(H, W, 4)`` uint8.

    Further than a rim from the object the colour is black: nothing of the surroundings is in the
    file, and it is much smaller.
    """
    near = cv2.dilate(alpha, np.ones((2 * _RIM + 1, 2 * _RIM + 1), np.uint8)) > 0
    rgba = np.dstack([image, alpha])
    rgba[~near] = 0
    return rgba
