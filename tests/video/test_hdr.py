"""What HDR video says of the display it was mastered on comes along where HEVC is written."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type

from threedcseg.video.encoder import H264, MP4, PRORES_4444, VP9_ALPHA, VideoFormat
from threedcseg.video.reader import open_video
from threedcseg.video.writer import VideoWriter

pytestmark = pytest.mark.skipif("libx265" not in av.codecs_available, reason="needs libx265")

MASTERING = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
LIGHT = "max-cll=1000,400"


def write_hdr(path: Path, *said: str) -> Path:
    params = ":".join(["log-level=error", "bframes=0", *said])
    with av.open(str(path), "w") as file:
        options = {"x265-params": params, "preset": "ultrafast"}
        stream = file.add_stream("libx265", rate=25, width=64, height=64, options=options)
        context = stream.codec_context
        context.pix_fmt = "yuv420p10le"
        context.color_primaries, context.color_trc, context.colorspace = 9, 16, 9
        for level in (10, 90):
            image = np.full((64, 64, 3), level, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode(None))
    return path


def said_in(path: Path) -> list[bytes | None]:
    with av.open(str(path)) as file:
        data = next(file.decode(video=0)).side_data
    both = (data.get(Type.MASTERING_DISPLAY_METADATA), data.get(Type.CONTENT_LIGHT_LEVEL))
    return [None if each is None else bytes(each) for each in both]


@pytest.mark.parametrize("said", [(MASTERING, LIGHT), (MASTERING,), (LIGHT,), ()])
def test_static_metadata_is_that_of_the_source(tmp_path: Path, said: tuple[str, ...]) -> None:
    source = write_hdr(tmp_path / "in.mp4", *said)
    target = tmp_path / "out.mp4"
    with open_video(source) as video, VideoWriter(target, video, MP4) as writer:
        assert all(each in video.color.hdr for each in said)
        for number, frame in enumerate(video):
            assert frame.deep is not None
            writer.write(frame.deep(), Fraction(number, 25))
    assert said_in(target) == said_in(source)
    assert (said_in(source)[0] is not None) == (MASTERING in said)


@pytest.mark.parametrize(
    ("format", "told"),
    [(MP4, 0), (H264, 0), (PRORES_4444, 1), (VP9_ALPHA, 1)],
    ids=["HEVC", "a matte", "ProRes", "VP9"],
)
def test_metadata_that_is_left_out_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, format: VideoFormat, told: int
) -> None:
    source = write_hdr(tmp_path / "in.mp4", MASTERING)
    target = tmp_path / f"out{format.suffix}"
    picture = np.zeros((64, 64, 4 if format.alpha else 3), np.uint8)
    with open_video(source) as video, VideoWriter(target, video, format) as writer:
        writer.write(picture, Fraction(0))
    lines = [line for line in caplog.messages if "HDR display" in line]
    assert lines == told * [
        f"{source}, in {target.name}: "
        "what it says of its HDR display and brightest light is left out"
    ]
