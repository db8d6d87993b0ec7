"""HEVC with alpha, as Apple's players and Safari show it, where its encoder is: on a Mac."""

from dataclasses import replace

import av

from threedcseg.outputs.alpha import picture_with_alpha
from threedcseg.outputs.formats import ABSENT, video_format
from threedcseg.video.encoder import PRORES_4444

NAME = "alpha-hevc.mov"
ENCODER = "hevc_videotoolbox"  # libx265 could, but nobody builds it with its alpha

HEVC_ALPHA = replace(
    PRORES_4444,
    codec=ENCODER,
    pixels="bgra",
    options={"alpha_quality": "0.9", "q:v": "65"},
    tag="hvc1",
)

if ENCODER in av.codecs_available:
    video_format(
        NAME,
        NAME,
        summary="HEVC with alpha, for Apple's players and Safari",
        drawn_by=("edges", "feather"),
        encoding=HEVC_ALPHA,
    )(picture_with_alpha)
else:
    ABSENT[NAME] = (
        f"FFmpeg has no {ENCODER} here, which macOS brings",
        "write alpha.mov (ProRes 4444) and let a Mac export it, or alpha.webm for browsers",
    )
