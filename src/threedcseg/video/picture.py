"""Decoded frames of a stream to pictures: upright, RGB."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import cv2
import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from threedcseg.video.frame import SMPTE170M, UNSPECIFIED_COLOR, Color
from threedcseg.video.hdr import x265_hdr
from threedcseg.video.sidedata import side_data_of

# FFmpeg's way from YUV to RGB that rounds; its usual one makes pictures a gray level darker.
_EXACT = Interpolation.BILINEAR | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND


@dataclass(frozen=True)
class Orientation:
    """How a stored picture becomes upright: rows for columns first, then the mirrors."""

    transposed: bool = False
    mirrored: bool = False
    upside_down: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> "Orientation":
        """That of the display matrix, to the nearest of the eight that keep pixels whole.

        The matrix ``(a, b, u, c, d, v, x, y, w)`` shows what is stored at (p, q) at
        (a p + c q + x, b p + d q + y); see libavutil/display.h.
        """
        if (data := side_data_of(frame, Type.DISPLAYMATRIX)) is not None:
            a, b, _, c, d, *_ = np.frombuffer(data, np.int32).tolist()
        else:  # none, or one that only FFmpeg sees
            turn = math.radians(frame.rotation)
            a, b, c, d = math.cos(turn), -math.sin(turn), math.sin(turn), math.cos(turn)
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """``(H, W, 3)`` of any type, or ``(W, H, 3)``, turned."""
        if self.transposed:
            image = cv2.transpose(image)
        if self.mirrored or self.upside_down:
            both = self.mirrored and self.upside_down
            image = cv2.flip(image, -1 if both else int(self.mirrored))
        return image


class PictureFormat:
    """What the frames of a stream have in common, by its first one.

    Attributes:
        height, width, rate, time_base, pixel_aspect, color, depth: as of a `FrameSource`.
        coded_size: width and height as stored, not turned.
    """

    def __init__(self, stream: VideoStream, first: VideoFrame) -> None:
        self.coded_size = first.width, first.height
        self._orientation = Orientation.of(first)
        self._matrix = _assumed_matrix(first)
        lying = self._orientation.transposed
        self.width, self.height = self.coded_size[::-1] if lying else self.coded_size
        self.rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        self.time_base = stream.time_base or 1 / self.rate
        aspect = stream.sample_aspect_ratio or Fraction(1)
        self.pixel_aspect = 1 / aspect if lying else aspect
        self.color = _color_of(stream, first, self._matrix)
        self.depth = max(component.bits for component in first.format.components)
        if first.format.has_palette:
            self.depth = 8
        self._reformatters = {"rgb24": VideoReformatter(), "rgb48le": VideoReformatter()}

    def rgb(self, frame: VideoFrame, format: Literal["rgb24", "rgb48le"] = "rgb24") -> np.ndarray:
        """``(height, width, 3)`` uint8, or uint16 (0 to 65535) for ``rgb48le``."""
        rgb = self._reformatters[format].reformat(
            frame, format=format, src_colorspace=self._matrix, interpolation=_EXACT
        )
        return np.ascontiguousarray(self._orientation.apply(rgb.to_ndarray()))


def in_depth_of(picture: np.ndarray, image: np.ndarray) -> np.ndarray:
    """8-bit ``image`` in the type of ``picture``, uint8 or uint16: 255 is the most of either."""
    return image if picture.dtype == np.uint8 else image.astype(np.uint16) * np.uint16(257)


def _assumed_matrix(frame: VideoFrame) -> int | None:
    """The YUV matrix to assume where the file names none: as players do, BT.709 from HD on."""
    if frame.colorspace != UNSPECIFIED_COLOR or len(frame.format.components) < 3:
        return None
    if frame.format.is_rgb or frame.format.has_palette:
        return None
    return int(Colorspace.ITU709 if min(frame.width, frame.height) >= 720 else Colorspace.ITU601)


def _color_of(stream: VideoStream, frame: VideoFrame, assumed_matrix: int | None) -> Color:
    context = stream.codec_context
    primaries, transfer = context.color_primaries, context.color_trc
    if frame.format.is_rgb or frame.format.has_palette:
        return Color(primaries, transfer)
    matrix = assumed_matrix or int(frame.colorspace)
    if matrix not in (*Colorspace, SMPTE170M):  # a rare one, to which FFmpeg does not convert
        matrix = int(Colorspace.ITU709)
    full_range = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    return Color(primaries, transfer, matrix, full_range, x265_hdr(frame))
