"""Pictures to video files, each at its exact time: for players, and two formats with alpha."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import Flags, OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from threedcseg.video.frame import SMPTE170M, UNSPECIFIED_COLOR, FrameSource
from threedcseg.video.tracks import MOV_TRACKS, MP4_TRACKS, WEBM_TRACKS, TrackFormat

PROGRESSIVE = 1  # FFmpeg's field order
_RAW = {
    ("uint8", 3): "rgb24",
    ("uint8", 4): "rgba",
    ("uint16", 3): "rgb48le",
    ("uint16", 4): "rgba64le",
}
BT709 = 1  # ITU-T H.273, for matrix, primaries and transfer alike


@dataclass(frozen=True)
class VideoFormat:
    """A container, and how picture and sound are coded in it.

    Attributes:
        suffix: of the file's name.
        container, codec, pixels: FFmpeg's names.
        tracks: what it takes besides the picture.
        alpha: pictures are RGBA.
        even: sides must be even; odd ones are padded with a copy of the edge.
        full_range: may hold full-range YUV.
        options: of the codec.
        container_options: of the container.
        tag: by which the container calls the codec, where that is not FFmpeg's own choice.
        deep: the format for sources of more than 8 bits, where it is another.
    """

    suffix: str
    container: str
    codec: str
    pixels: str
    tracks: TrackFormat
    alpha: bool = False
    even: bool = False
    full_range: bool = True
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    tag: str | None = None
    deep: "VideoFormat | None" = None

    @property
    def keeps_hdr(self) -> bool:
        """Whether it carries what HDR video says of its display and brightest light."""
        return "x265-params" in self.options

    def for_source(self, source: FrameSource) -> "VideoFormat":
        """The format for what a source gives."""
        small = min(source.width, source.height) < 64  # x265 writes beyond its memory there
        return self if self.deep is None or source.depth <= 8 or small else self.deep


# What every player opens. yuv444p, which has odd sizes, does not play in browsers. CRF 20 is hard
# to tell from the source; slower presets make smaller files.
H264 = VideoFormat(
    ".mp4",
    "mp4",
    "libx264",
    "yuv420p",
    MP4_TRACKS,
    even=True,
    options={"crf": "20", "preset": "veryfast"},
    container_options={"movflags": "faststart"},
)
# 10 bits: HEVC, as phones and cameras write it, by the name that Apple's players know; or H.264,
# which far fewer play, where FFmpeg was built without libx265. (With B-frames, clips of one or two
# frames get time stamps that no container takes.)
if "libx265" in av.codecs_available:
    _DEEP = replace(
        H264,
        codec="libx265",
        pixels="yuv420p10le",
        options={"crf": "20", "preset": "veryfast", "x265-params": "log-level=error:bframes=0"},
        tag="hvc1",
    )
else:
    _DEEP = replace(H264, pixels="yuv420p10le")
MP4 = replace(H264, deep=_DEEP)
# What editors open; its alpha is coded without loss.
PRORES_4444 = VideoFormat(
    ".mov",
    "mov",
    "prores_ks",
    "yuva444p10le",
    MOV_TRACKS,
    alpha=True,
    full_range=False,
    options={"profile": "4444", "alpha_bits": "16", "vendor": "apl0"},
)
# What browsers play with their page behind it. Alternate reference frames do not go with alpha; and
# without them, frames that libvpx holds to look ahead cost gigabytes (at 8K) and gain nothing.
VP9_ALPHA = VideoFormat(
    ".webm",
    "webm",
    "libvpx-vp9",
    "yuva420p",
    WEBM_TRACKS,
    alpha=True,
    options={
        "crf": "24",
        "b:v": "0",
        "deadline": "realtime",
        "cpu-used": "6",
        "row-mt": "1",
        "auto-alt-ref": "0",
        "lag-in-frames": "0",
    },
)

# H.264 at CRF 20 can need many times the bits of a source that is compressed hard. The file stays
# below three times the source's bytes: the rate is capped at 2.2 times its average, and what the
# decoder's buffer (of at most 15 Mbit, so that the level stays one that hardware plays) may lend at
# the beginning is at most 0.8 times the source's bits.
_CAPPED = ("libx264", "libx265")
_RATE_CAP = 2.2
_BUFFER_CAP = 0.8
_LARGEST_BUFFER = 15_000_000


class VideoEncoder:
    """Writes pictures with the source's timing, pixel aspect, colour matrix, range and tags.

    Args:
        file: where to write; created at once.
        source: gives size, rate, clock, pixel aspect, colours and bytes of the video.
        format: container and codec.

    Attributes:
        container: the open file, to add further streams before the first `write`.
        stream: its pictures.
    """

    def __init__(self, file: Path, source: FrameSource, format: VideoFormat = H264) -> None:
        self.format = format
        color = source.color
        self._range = ColorRange.JPEG if color.full_range and format.full_range else ColorRange.MPEG
        self._matrix = Colorspace.ITU601 if color.matrix == SMPTE170M else Colorspace(color.matrix)
        self.container: OutputContainer = av.open(
            str(file.absolute()),
            "w",
            format=format.container,
            container_options=format.container_options,
        )
        # No random identifiers: made again, it is the same.
        self.container.flags |= Flags.bitexact.value  # type: ignore[operator]
        options = {**format.options, **(_rate_cap(source) if format.codec in _CAPPED else {})}
        if format.keeps_hdr and color.hdr:
            options["x265-params"] += f":{color.hdr}"
        stream = self.container.add_stream(
            format.codec,
            rate=source.rate,
            options=options,
            width=source.width + source.width % 2 * format.even,
            height=source.height + source.height % 2 * format.even,
            time_base=source.time_base,
        )
        assert isinstance(stream, VideoStream)  # what a name of type `str` hides from the types
        self.stream = stream
        context = stream.codec_context
        context.pix_fmt = format.pixels
        context.thread_type = "AUTO"
        context.sample_aspect_ratio = source.pixel_aspect
        context.field_order = PROGRESSIVE
        if format.tag is not None:
            context.codec_tag = format.tag
        # The RGB values keep the source's primaries and transfer (HDR stays HDR), so its tags too:
        # those of the stream go into the container, those of each frame into what is coded.
        self._tags = {
            "color_primaries": BT709 if color.primaries == UNSPECIFIED_COLOR else color.primaries,
            "color_trc": BT709 if color.transfer == UNSPECIFIED_COLOR else color.transfer,
            "colorspace": color.matrix,
            "color_range": int(self._range),
        }
        for name, code in self._tags.items():
            setattr(context, name, code)
        self._reformatter = VideoReformatter()
        self._time_base = source.time_base
        self._ticks = -1

    def write(self, image: np.ndarray, time: Fraction) -> None:
        """Add a picture at ``time`` seconds; times must grow.

        ``image``: uint8 or uint16, ``(H, W, 3)`` RGB, or ``(H, W, 4)`` RGBA where the format has
        alpha.
        """
        height, width = image.shape[:2]
        if self.format.even and (height % 2 or width % 2):
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(image, _RAW[image.dtype.name, image.shape[2]]),
            format=self.format.pixels,
            dst_colorspace=self._matrix,
            dst_color_range=self._range,
            # FFmpeg's threads damage 10-bit alpha where the parts of a picture meet.
            threads=1 if self.format.alpha else None,
        )
        for name, code in self._tags.items():
            setattr(frame, name, code)
        self._ticks = max(self._ticks + 1, round(time / self._time_base))
        frame.pts = self._ticks
        frame.time_base = self._time_base
        self.container.mux(self.stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds; the container is left open."""
        self.container.mux(self.stream.encode(None))


def _rate_cap(source: FrameSource) -> dict[str, str]:
    """x264's options that keep the file below three times the source's bytes."""
    if not source.num_bytes or not source.num_frames:
        return {}
    bits = 8 * source.num_bytes
    rate = bits * source.rate / source.num_frames
    plenty = source.width * source.height * source.rate  # at a bit a pixel CRF 20 needs no cap
    if rate * _RATE_CAP > plenty:
        return {}
    buffer = min(_LARGEST_BUFFER, bits * _BUFFER_CAP)
    return {"maxrate": str(round(rate * _RATE_CAP)), "bufsize": str(max(1000, round(buffer)))}
