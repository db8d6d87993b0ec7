"""The object without its surroundings, as videos with alpha."""

import cv2
import numpy as np

from threedcseg.outputs.formats import RIM, SegmentedFrame, video_format
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.encoder import PRORES_4444, VP9_ALPHA
from threedcseg.video.picture import in_depth_of


@video_format(
    "alpha.webm",
    "alpha.webm",
    summary="VP9 with alpha, for browsers",
    drawn_by=("edges", "feather"),
    encoding=VP9_ALPHA,
)
@video_format(
    "alpha.mov",
    "alpha.mov",
    summary="ProRes 4444 with alpha, for editors",
    drawn_by=("edges", "feather"),
    encoding=PRORES_4444,
)
def picture_with_alpha(result: SegmentedFrame, rendering: Rendering) -> np.ndarray:
    """The frame with its alpha; in ProRes the alpha is the mask, bit for bit."""
    return with_alpha(result.colors, result.alpha)


def with_alpha(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """RGBA with straight (not premultiplied) colour: ``(H, W, 4)``.

    ``image`` is uint8 or uint16, and so is the result; ``alpha`` is uint8.

    Further than a rim from the object the colour is black: nothing of the surroundings is in the
    file, and it is much smaller.
    """
    near = cv2.dilate(alpha, np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)) > 0
    rgba = np.dstack([image, in_depth_of(image, alpha)])
    rgba[~near] = 0
    return rgba
