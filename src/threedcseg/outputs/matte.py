"""White on black, for editors that take a mask as a video."""

import numpy as np

from threedcseg.outputs.formats import SegmentedFrame, video_format
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.encoder import H264


@video_format(
    "matte",
    "matte.mp4",
    summary="MP4, white on black, for a luma key",
    drawn_by=("edges", "feather"),
    encoding=H264,
)
def matte_picture(result: SegmentedFrame, rendering: Rendering) -> np.ndarray:
    """The alpha of a frame, in gray."""
    return result.alpha
