"""On what display HDR video was mastered and how bright it gets, from a frame to x265's options."""

import struct

from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from threedcseg.video.sidedata import side_data_of

_CHROMA, _LUMA = 50_000, 10_000  # steps of a chromaticity, and of a candela per square metre


def x265_hdr(frame: VideoFrame) -> str:
    """The options of x265 for the static metadata of a frame (SMPTE ST 2086 and CTA-861.3), such as
    ``master-display=G(...)...:max-cll=1000,400``; empty where it has none."""
    options = []
    if (mastering := side_data_of(frame, Type.MASTERING_DISPLAY_METADATA)) is not None:
        # AVMasteringDisplayMetadata: red, green, blue, white (x, y each), least and most luminance
        # as ratios of 32-bit numbers, and whether there are primaries and luminances.
        numbers = struct.unpack_from("=22i", bytes(mastering))
        ratios = [n / d if d else 0.0 for n, d in zip(numbers[:20:2], numbers[1:20:2], strict=True)]
        red, green, blue, white = (
            f"({round(x * _CHROMA)},{round(y * _CHROMA)})"
            for x, y in zip(ratios[:8:2], ratios[1:8:2], strict=True)
        )
        least, most = (round(luminance * _LUMA) for luminance in ratios[8:])
        if numbers[20] and numbers[21]:
            options.append(f"master-display=G{green}B{blue}R{red}WP{white}L({most},{least})")
    if (light := side_data_of(frame, Type.CONTENT_LIGHT_LEVEL)) is not None:
        brightest, mean = struct.unpack_from("=2I", bytes(light))
        options.append(f"max-cll={brightest},{mean}")
    return ":".join(options)
