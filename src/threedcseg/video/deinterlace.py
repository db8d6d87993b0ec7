"""Interlaced pictures, whose lines are of two moments, to whole ones."""

from collections.abc import Iterator
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

# Their decoders mark each frame, so that progressive ones among interlaced ones stay as they are.
_MARKED_BY_FRAME = frozenset(["h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vc1", "wmv3"])
# FFmpeg's field orders of a stream: which field is shown first, for those that are interlaced.
_FIRST_FIELD = {2: "tff", 3: "bff", 4: "bff", 5: "tff"}


def deinterlaced(frames: Iterator[VideoFrame], stream: VideoStream) -> Iterator[VideoFrame]:
    """The frames of ``stream``, those that are interlaced by FFmpeg's bwdif: one for each.

    A frame is if it says so, or, of codecs whose frames say nothing, if the stream does. What is
    before the first such frame is passed on untouched, and all frames after a change of size.
    """
    options = {"mode": "send_frame", "deint": "interlaced"}
    context = stream.codec_context
    order = _FIRST_FIELD.get(context.field_order)
    all_are = order is not None and context.name not in _MARKED_BY_FRAME
    graph, size = None, None
    for frame in frames:
        if graph is None and (all_are or frame.interlaced_frame):
            if all_are and order is not None and not frame.interlaced_frame:
                options |= {"deint": "all", "parity": order}
            graph, size = _graph(frame, options), (frame.width, frame.height)
        if graph is None:
            yield frame
            continue
        if size != (frame.width, frame.height):
            yield from _pulled(graph, None)
            yield frame
            yield from frames
            return
        yield from _pulled(graph, frame)
    if graph is not None:
        yield from _pulled(graph, None)


def _graph(frame: VideoFrame, options: dict[str, str]) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or Fraction(1, 1000),
    )
    graph.link_nodes(source, graph.add("bwdif", **options), graph.add("buffersink")).configure()
    return graph


def _pulled(graph: Graph, frame: VideoFrame | None) -> Iterator[VideoFrame]:
    graph.vpush(frame)
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
