"""Live sources: pipes, a local stream, the policies of the queue, stopping, memory."""

import gc
import os
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from fractions import Fraction

import av
import numpy as np
import pytest
from made_videos import gray_frames, read_all, write_video
from patience import PATIENCE, until
from served import served

from threedcseg.errors import InputError
from threedcseg.inference.settings import Settings
from threedcseg.segmentation.video import segment_source
from threedcseg.video.live import LiveSource, is_live, live_name
from threedcseg.video.pipe import PipeWriter, RawFormat
from threedcseg.video.reader import open_video
from threedcseg.video.writer import VideoWriter


def feed(write, pieces, pause=0.0):
    """Write in a thread, as another program would; the file is closed at the end."""

    def run():
        try:
            with write:
                for data in pieces:
                    write.write(data)
                    write.flush()
                    time.sleep(pause)
        except BrokenPipeError:
            pass

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as read, open(writing, "wb", buffering=0) as write:
        yield read, write


def gray(count, height=16, width=24):
    return [np.full((height, width), 7 * i % 256, np.uint8) for i in range(count)]


def rgb_bytes(count, height=16, width=24):
    return [np.repeat(g[..., None], 3, 2).tobytes() for g in gray(count, height, width)]


def test_raw_frames_come_out_as_they_went_in(pipe):
    read, write = pipe
    feed(write, rgb_bytes(30))
    with LiveSource("-", raw=RawFormat.parse("24x16", rate="30000/1001"), stdin=read) as source:
        assert (source.width, source.height, source.rate) == (24, 16, Fraction(30000, 1001))
        frames = list(source)
    assert [frame.index for frame in frames] == list(range(30))
    assert all((f.image == 7 * f.index).all() for f in frames)
    assert frames[0].time == 0
    assert float(frames[29].time) == pytest.approx(29 * 1001 / 30000, abs=1e-3)
    assert (source.num_read, source.num_dropped, source.stopped) == (30, 0, False)


def test_y4m_that_we_write_is_y4m_that_we_read(pipe, tmp_path):
    read, write = pipe
    masks = [np.where(g > 100, np.uint8(255), np.uint8(0)) for g in gray(20)]
    file = tmp_path / "masks.y4m"
    with file.open("wb") as out:
        writer = PipeWriter(out, Fraction(25))
        for mask in masks:
            writer.write(mask)
    data = file.read_bytes()
    feed(write, [data[i : i + 100] for i in range(0, len(data), 100)])  # in small pieces
    with LiveSource("-", stdin=read) as source:
        frames = list(source)
    assert len(frames) == 20 and source.rate == 25
    for frame, mask in zip(frames, masks, strict=True):
        assert (frame.image == mask[..., None]).all()


def test_a_slow_consumer_drops_the_oldest_and_counts(pipe):
    read, write = pipe
    feed(write, rgb_bytes(50))
    raw = RawFormat.parse("24x16")
    with LiveSource("-", raw=raw, stdin=read, when_behind="drop-oldest", queue=4) as source:
        until(lambda: source.num_read == 50)
        frames = list(source)
    assert len(frames) == 4
    assert [int(f.image[0, 0, 0]) for f in frames] == [7 * i % 256 for i in range(46, 50)]
    assert [f.index for f in frames] == [46, 47, 48, 49], "numbered as in the source"
    assert [f.name for f in frames[:1]] == ["0000046"]
    assert (source.num_read, source.num_dropped) == (50, 46)


def test_a_pipe_waits_for_a_slow_consumer(pipe):
    read, write = pipe
    feed(write, rgb_bytes(40, 90, 120))
    most = 0
    with LiveSource("-", raw=RawFormat.parse("120x90"), stdin=read, queue=3) as source:
        count = 0
        for count, _ in enumerate(source, 1):
            time.sleep(0.005)
            most = max(most, source.num_read - count)
    assert count == 40 and source.num_dropped == 0
    assert most <= 3


def test_delay_is_measured(pipe):
    read, write = pipe
    feed(write, rgb_bytes(20))
    with LiveSource("-", raw=RawFormat.parse("24x16"), stdin=read, queue=1) as source:
        held = []
        for frame in source:
            held.append(frame)
            if len(held) == 5:  # a window's worth: the first of them waited for four others
                time.sleep(0.05)
                for _ in held:
                    source.delivered()
                held.clear()
    assert source.delay.count == 20
    assert 4 <= source.delay.max_frames <= 5  # one may wait in the queue
    assert source.delay.max_seconds >= 0.05
    assert source.record()["delay"]["max_ms"] >= 50


def test_stop_ends_though_nothing_arrives(pipe):
    read, write = pipe
    write.write(rgb_bytes(1)[0] * 3)
    with write, LiveSource("-", raw=RawFormat.parse("24x16"), stdin=read) as source:
        frames = iter(source)
        assert next(frames).index == 0
        threading.Timer(0.2, source.stop).start()
        rest = list(frames)  # the pipe stays open: nothing else would end it
    assert len(rest) == 2 and source.stopped


STREAM = """
import sys, time
from fractions import Fraction
import av, numpy as np
with av.open(sys.argv[1], "w", format="mpegts") as out:
    stream = out.add_stream("mpeg4", rate=25)
    stream.width, stream.height, stream.pix_fmt, stream.gop_size = 96, 64, "yuv420p", 5
    for i in range(60):
        image = np.full((64, 96, 3), 4 * i, np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = i, Fraction(1, 25)
        out.mux(stream.encode(frame))
        time.sleep(0.02)
    out.mux(stream.encode(None))
"""


def test_a_stream_of_another_process():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    server = subprocess.Popen([sys.executable, "-c", STREAM, f"{address}?listen=1"])
    frames, source = [], None

    def read() -> bool:
        nonlocal source
        try:
            with LiveSource(address, queue=100) as source:
                frames.extend(source)
        except InputError:
            return False  # it does not listen yet
        return True

    try:
        until(read)
        assert server.wait(PATIENCE) == 0
    finally:
        server.kill()
    assert source.when_behind == "drop-oldest"
    assert len(frames) == source.num_read == 60, "also what serves to recognise the stream"
    levels = np.array([f.image.mean() for f in frames])
    assert levels[0] == pytest.approx(0, abs=3)
    times = np.array([float(f.time) * 25 for f in frames])
    assert np.abs(levels - levels[0] - 4 * times).max() <= 6 and times[-1] >= 54


def test_a_long_stream_needs_no_more_memory_than_a_short_one(pipe):
    """Thousands of frames through queue, windows and stitching; objects that stay would show."""
    read, write = pipe
    one = rgb_bytes(1, 16, 16)[0]
    feed(write, (one * 50 for _ in range(80)))
    settings = Settings(short_edge=16, emit="early", upsampling="linear")
    sizes = []
    with LiveSource("-", raw=RawFormat.parse("16x16"), stdin=read) as source:
        tracemalloc.start()
        for frame, _ in segment_source(source, lambda clip: clip[:, :1] * 20 - 10, settings):
            source.delivered()
            if frame.index % 1000 == 999:
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert source.delay.count == 4000 and len(sizes) == 4
    assert sizes[-1] - sizes[0] < 3000 * 4, sizes  # less than four bytes a frame


@pytest.mark.parametrize(
    ("size", "pixel_format", "rate", "needle"),
    [
        ("640", "rgb24", "25", "WIDTHxHEIGHT"),
        ("0x10", "rgb24", "25", "WIDTHxHEIGHT"),
        ("4x4", "rgb99", "25", "rgb99"),
        ("4x4", "rgb24", "0", "rate"),
        ("4x4", "rgb24", "1/0", "rate"),
    ],
)
def test_raw_formats_that_mean_nothing(size, pixel_format, rate, needle):
    with pytest.raises(InputError, match=needle):
        RawFormat.parse(size, pixel_format, rate)


@pytest.mark.parametrize(
    ("data", "needle"),
    [(b"", "empty"), (b"no video at all " * 4000, "--size"), (b"YUV4MPEG2 nonsense\n", "y4m")],
)
def test_pipes_without_video(pipe, data, needle):
    read, write = pipe
    feed(write, [data])
    with pytest.raises(InputError, match=needle), LiveSource("-", stdin=read) as source:
        list(source)


def test_files_are_not_live():
    assert not any(map(is_live, ["dog.mp4", "a:b.mp4", "-dog.mp4", "./-", "camera", "file://a"]))


@pytest.mark.parametrize("name", ["camera:97", "tcp://127.0.0.1:1"])
def test_sources_that_are_not_there(name):
    with pytest.raises(InputError), LiveSource(name):
        pass


def test_names_hold_no_password_and_no_path():
    assert live_name("rtsp://me:secret@host/a/../../b c") == "rtsp-host-a-..-..-b-c"
    with pytest.raises(InputError) as error, LiveSource("tcp://me:secret@127.0.0.1:1"):
        pass
    assert "secret" not in str(error.value)


def test_a_file_behind_http_is_read_whole(tmp_path):
    path = write_video(tmp_path / "film.mp4", gray_frames(40), audio="aac")
    with served(tmp_path) as host:
        address = f"http://me:secret@{host}/film.mp4"
        assert not is_live(address)
        with open_video(address) as video:
            assert video.num_frames == 40
            assert "secret" not in video.shown + str(video.path)
            with VideoWriter(tmp_path / "out.mp4", video) as writer:
                for frame in video:
                    writer.write(frame.image, frame.time)
        assert is_live(f"http://{host}/none.mp4")
    assert len(read_all(tmp_path / "out.mp4")) == 40
    with av.open(str(tmp_path / "out.mp4")) as made, av.open(str(path)) as source:
        sound = [[bytes(p) for p in file.demux(audio=0) if p.size] for file in (made, source)]
    assert sound[0] == sound[1]


def test_a_pipe_that_ends_within_a_frame_is_damaged(pipe, tmp_path):
    read, write = pipe
    whole = write_video(tmp_path / "a.y4m", gray_frames(12), codec="wrapped_avframe").read_bytes()
    feed(write, [whole[: len(whole) * 5 // 8]])
    with LiveSource("-", stdin=read) as source:
        frames = list(source)
    assert len(frames) == 7
    assert source.damage.decoded == 7 and source.damage.at == pytest.approx(7 / 24, abs=0.01)


def test_of_a_whole_pipe_nothing_is_said(pipe, tmp_path):
    read, write = pipe
    whole = write_video(tmp_path / "a.y4m", gray_frames(12), codec="wrapped_avframe").read_bytes()
    feed(write, [whole])
    with LiveSource("-", stdin=read) as source:
        assert len(list(source)) == 12 and not source.damage
