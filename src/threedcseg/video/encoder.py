"""RGB frames to H.264 in MP4, each at its exact time."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from threedcseg.video.reader import UNSPECIFIED_COLOR, FrameSource

BT709 = 1  # ITU-T H.273, for matrix, primaries and transfer alike


class H264Encoder:
    """Writes an MP4 that every player opens: yuv420p, BT.709 matrix, limited range, all tagged.

    Odd sizes are padded to even with a copy of the edge pixels, since yuv420p has no odd sizes and
    yuv444p, which has, does not play in browsers and on most hardware.

    Args:
        file: where to write; created at once.
        source: gives size, rate, clock, pixel aspect and colours of the frames to come.
        quality: x264's CRF, 0 (lossless) to 51; 20 is hard to tell from the source.
        preset: x264's preset; slower ones make smaller files.

    Attributes:
        container: the open MP4, to add further streams before the first `write`.
    """

    def __init__(
        self, file: Path, source: FrameSource, quality: float = 20, preset: str = "veryfast"
    ) -> None:
        self.container: OutputContainer = av.open(
            str(file.absolute()), "w", format="mp4", container_options={"movflags": "faststart"}
        )
        self._stream = self.container.add_stream(
            "libx264",
            rate=source.rate,
            options={"crf": str(quality), "preset": preset},
            width=source.width + source.width % 2,
            height=source.height + source.height % 2,
            time_base=source.time_base,
        )
        context = self._stream.codec_context
        context.pix_fmt = "yuv420p"
        context.thread_type = "AUTO"
        context.sample_aspect_ratio = source.pixel_aspect
        context.color_range = ColorRange.MPEG
        context.colorspace = BT709
        # The RGB values keep the source's primaries and transfer (HDR stays HDR), so its tags too.
        context.color_primaries, context.color_trc = (
            BT709 if code == UNSPECIFIED_COLOR else code for code in source.color
        )
        self._reformatter = VideoReformatter()
        self._time_base = source.time_base
        self._ticks = -1

    def write(self, image: np.ndarray, time: Fraction) -> None:
        """Add a frame, ``(H, W, 3)`` uint8 RGB, at ``time`` seconds; times must grow."""
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(image, format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        self._ticks = max(self._ticks + 1, round(time / self._time_base))
        frame.pts = self._ticks
        frame.time_base = self._time_base
        self.container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds; the container is left open."""
        self.container.mux(self._stream.encode(None))
