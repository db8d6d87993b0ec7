"""White on black, for editors that take a mask as a video."""

from contextlib import AbstractContextManager
from pathlib import Path

from threedcseg.outputs.formats import Sink, open_video_of, output_format
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.frame import FrameSource


@output_format("matte", "matte.mp4", summary="MP4, white on black, for a luma key")
def open_matte(
    path: Path, source: FrameSource, rendering: Rendering
) -> AbstractContextManager[Sink]:
    """The alpha of each frame, in gray."""
    return open_video_of(path, source, lambda result: result.alpha(rendering.edges))
