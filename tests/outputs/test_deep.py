"""Pictures of more than 8 bits are drawn like those of 8."""

from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import gray_frames, write_video

from threedcseg.outputs.alpha import with_alpha
from threedcseg.outputs.cutout import cut_out
from threedcseg.outputs.formats import FORMATS, SegmentedFrame
from threedcseg.outputs.overlay import overlay
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.reader import open_video

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (40, 60, 3)).astype(np.uint8)
DEEP = IMAGE.astype(np.uint16) * 257


def test_overlay() -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:30, 20:40] = True
    drawn, deep = overlay(IMAGE, mask, opacity=0.25), overlay(DEEP, mask, opacity=0.25)
    inside, outside = np.zeros_like(mask), np.ones_like(mask)
    inside[14:26, 24:36] = True
    outside[6:34, 16:44] = False
    for where in (inside, outside):
        assert np.abs(deep[where] / 257 - drawn[where]).max() <= 1
    assert (deep[20, 20] == np.array([255, 70, 110]) * 257).all(), "the outline"


def test_cut_out_and_alpha() -> None:
    alpha = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
    behind = np.full_like(IMAGE, 90)
    drawn, deep = cut_out(IMAGE, alpha, behind), cut_out(DEEP, alpha, behind)
    assert deep.dtype == np.uint16 and np.abs(deep / 257 - drawn).max() <= 0.51
    assert (with_alpha(DEEP, alpha) == with_alpha(IMAGE, alpha).astype(int) * 257).all()


@pytest.mark.parametrize(
    ("name", "codec", "bits"),
    [
        ("overlay", "hevc", 10),
        ("cutout", "hevc", 10),
        ("matte", "h264", 8),
        ("alpha.mov", "prores", 12),  # as FFmpeg decodes ProRes 4444
        ("alpha.webm", "vp9", 8),
        ("rgba", "png", 16),
    ],
)
def test_what_comes_of_ten_bits(tmp_path: Path, name: str, codec: str, bits: int) -> None:
    images = gray_frames(2, 64, 64)
    source = write_video(tmp_path / "in.mkv", images, codec="ffv1", pix_fmt="yuv422p10le")
    with open_video(source) as video, FORMATS[name].open_in(tmp_path, video, Rendering()) as sink:
        for frame in video:
            half = np.full((64, 64), 0.6, np.float32)
            sink(SegmentedFrame(frame, half, half > 0.5))
    with av.open(str(tmp_path / FORMATS[name].files[0].replace("*", "00001"))) as file:
        context = file.streams.video[0].codec_context
        assert context.name == codec
        assert context.format.components[0].bits == bits
