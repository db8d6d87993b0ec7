"""The clip that ships, and the script that made it."""

import runpy
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import gray_frames, level, read_all
from PIL import Image

from threedcseg.video.reader import open_video

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FRAMES = ROOT.parent / "shared" / "data" / "davis16" / "JPEGImages" / "480p" / "dog"


def test_clip_is_small_and_says_what_it_is() -> None:
    path = EXAMPLES / "dog.mp4"
    assert path.stat().st_size <= 1_000_000
    with open_video(path) as video:
        assert (video.width, video.height, video.rate) == (854, 480, Fraction(24))
        assert [frame.time for frame in video] == [Fraction(i, 24) for i in range(60)]
    with av.open(str(path)) as file:
        context = file.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert context.colorspace == context.color_primaries == context.color_trc == 1
        assert context.color_range == 1
    assert "CC BY-NC 4.0" in (EXAMPLES / "README.md").read_text("utf-8")


@pytest.mark.skipif(not FRAMES.is_dir(), reason="the DAVIS frames are not beside the repository")
def test_clip_shows_the_published_frames() -> None:
    with open_video(EXAMPLES / "dog.mp4") as video, open_video(FRAMES) as frames:
        for clip, frame in zip(video, frames, strict=True):
            if clip.index % 20 == 0:
                error = np.square(clip.image.astype(float) - frame.image).mean()
                assert 10 * np.log10(255**2 / error) > 30  # dB
                bias = clip.image.mean((0, 1)) - frame.image.mean((0, 1))
                assert np.abs(bias).max() < 2.5  # the colours agree


def test_script_makes_such_a_clip(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for i, image in enumerate(gray_frames(5)):
        Image.fromarray(image).save(tmp_path / "frames" / f"{i}.png")
    script = runpy.run_path(str(EXAMPLES / "make_example.py"))
    script["main"](str(tmp_path / "frames"), str(tmp_path / "clip.mp4"))
    frames = read_all(tmp_path / "clip.mp4")
    assert [round(frame.image.mean() - level(frame.index), -1) for frame in frames] == [0] * 5
