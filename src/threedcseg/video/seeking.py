"""Into the middle of a recording, without decoding what is before."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain, takewhile
from operator import attrgetter

from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

# Others have no times of their own or none to be relied on, or are small: they are read from the
# beginning.
_SEEKABLE = frozenset(["mov", "matroska", "webm", "avi", "mpegts", "flv", "mxf", "asf", "ogg"])
_BROADCAST = frozenset(["mpegts", "mxf"])  # large, and of a constant rate
_FRAMES_BEFORE = 2  # to deinterlace the first one

Decode = Callable[[Iterable[Packet]], Iterator[VideoFrame]]


def frames_from(
    container: InputContainer,
    stream: VideoStream,
    time: Fraction,
    first: Fraction,
    decode: Decode,
    whole: Callable[[], InputContainer],
    numbers: dict[int, int],
) -> tuple[int, Iterator[VideoFrame]] | None:
    """Frames from a little before ``time`` on, and the number of the first of them.

    Both times are the file's own, in seconds; ``first`` is that of its frame 0. ``whole`` opens
    the file once more. ``numbers``: those found before, by time stamp; this one is added, for
    finding it may take reading all that is before. None where the beginning is where to begin; the
    stream's container may then have been read from, and is to be opened anew.
    """
    if not _SEEKABLE & set(container.format.name.split(",")):
        return None
    tick = stream.time_base or Fraction(1, 1000)
    before = time - _FRAMES_BEFORE / (stream.average_rate or Fraction(25))
    back = Fraction(0)
    while before - back > first:
        container.seek(int((before - back) / tick), stream=stream)
        packets = _Noted(container.demux(stream))
        frames = decode(packets)
        frame = next(frames, None)
        packets.noting = False
        if frame is not None and frame.pts is None:
            return None
        if frame is not None and frame.pts is not None and frame.pts * tick <= before:
            if frame.pts not in numbers:
                stamps = packets.stamps
                numbers[frame.pts] = _number(container, stream, frame.pts, stamps, first, whole)
            return numbers[frame.pts], chain([frame], frames)
        back = 4 * back + 1  # it led to after the moment, or into what needs earlier pictures
    return None


class _Noted:
    """Packets, whose times of presentation and decoding are noted for a while."""

    def __init__(self, packets: Iterable[Packet]) -> None:
        self._packets = packets
        self.noting, self.stamps = True, list[tuple[int | None, int | None]]()

    def __iter__(self) -> Iterator[Packet]:
        for packet in self._packets:
            if self.noting:
                self.stamps.append((packet.pts, packet.dts))
            yield packet


def _number(
    container: InputContainer,
    stream: VideoStream,
    pts: int,
    stamps: list[tuple[int | None, int | None]],
    first: Fraction,
    whole: Callable[[], InputContainer],
) -> int:
    """How many frames are shown before the one at ``pts``, which was decoded from the packets
    of these ``stamps`` (presentation, decoding).

    By the index of MP4, MOV and AVI, which lists them all; of broadcasts by their constant rate;
    else by reading the packets before, which takes a small part of the time of decoding them.
    """
    sought_pts, sought_dts = stamps[0]
    earlier = sum(stamp is not None and stamp < pts for stamp, _ in stamps)
    index = stream.index_entries
    if len(index) >= stream.frames > 0 and sought_dts is not None:
        before = range(bisect_left(index, sought_dts, key=attrgetter("timestamp")))
        return sum(not index[i].is_discard for i in before) + earlier
    rate, tick = stream.average_rate, stream.time_base
    if container.format.name in _BROADCAST and rate and tick and rate == stream.base_rate:
        return round((pts * tick - first) * rate)
    with whole() as anew:
        every = anew.demux(anew.streams[stream.index])
        return sum(1 for _ in takewhile(lambda packet: packet.pts != sought_pts, every)) + earlier
