"""Packets to pictures, past what is damaged, which is counted."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from threedcseg.video.damage import Damage
from threedcseg.video.opening import open_input
from threedcseg.video.structure import first_packet, is_chain_broken, num_samples

_TRIES = 16  # to go on behind a place that a demuxer cannot read
# By FFmpeg's names of containers. Files begin with a key frame, streams anywhere.
_FILES = ("mov", "matroska", "avi", "asf", "ogg", "gif")
# The header says how long it is; elsewhere FFmpeg guesses.
_TIMED = ("matroska", "flv", "asf", "ogg", "yuv4mpegpipe")
# Time without a frame is a loss if the blocks of the file, or its packets with so many bytes
# between them, do not follow each other; else the rate is variable. (A frame of Ogg lasts until
# the next one.)
_CHAINED = ("matroska", "flv")
_PLACED = {"asf": 128, "yuv4mpegpipe": 80}


class Decoding:
    """The pictures of a stream, once; ``damage`` is complete when they are over.

    A recording may begin between key frames: what cannot be decoded before the first whole picture
    is passed over then, as players do. Where the first packet is a key frame, it is damage.

    Args:
        container, stream: just opened.
        damage: what is met is added to it.
        sought: the origin, and the packets of the stream from where the container was sought; what
            is before the first whole picture of those is no damage.

    Attributes:
        origin: seconds, by the stream's clock, of its first picture, also of one that is lost.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        damage: Damage,
        sought: tuple[Fraction, Iterable[Packet]] | None = None,
    ) -> None:
        self.origin: Fraction | None = None
        self._packets: Iterable[Packet] | None = None
        if sought is not None:
            self.origin, self._packets = sought
        self._container, self._stream, self._damage = container, stream, damage
        self._format = container.format.name
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        self._half = 1 / (2 * rate)  # a frame, in seconds
        self._begins_with_key: bool | None = None
        self._begun = False
        self._due: set[Fraction] = set()  # times of packets that have not become pictures so far
        self._last = self._end = Fraction(0)  # the last picture's time, and when it is over
        self._read_until = Fraction(0)  # the latest end of all packets so far, of any track
        self._place, self._behind = -1, 0  # of the last packet in the file, and behind it
        self._first_place = 0
        self._between = next((n for f, n in _PLACED.items() if self._format.startswith(f)), None)
        self._skipped = False  # more bytes than may stand between packets
        self._next: int | None = None  # the dts of the next packet
        self._gap: Fraction | None = None  # the first time without a picture
        self._count = self._all = 0  # packets, of the stream and of all tracks
        self._tracks = len(container.streams)  # others may turn up where there is rubbish
        self._indexed = len(stream.index_entries)
        self._chain_broken: bool | None = None

    def __iter__(self) -> Iterator[VideoFrame]:
        last: Packet | None = None
        for packet in self._demuxed():
            self._follow(packet)
            if packet.stream is self._stream and packet.size:
                self._expect(packet)
                yield from self._decoded(packet)
                last = packet
        if last is not None and last.is_corrupt:  # elsewhere it may be but a joint
            self._met(self._end)
        yield from self._decoded(None)
        self._check_end()

    def _demuxed(self) -> Iterator[Packet]:
        packets = self._container.demux() if self._packets is None else self._packets
        for _ in range(_TRIES):
            try:
                for packet in packets:
                    if packet.dts is not None or packet.size:  # else it but ends a track
                        yield packet
                return
            except av.FFmpegError:
                self._met(self._end)
                packets = self._container.demux()

    def _follow(self, packet: Packet) -> None:
        """Where in the file, and up to which time, it has been read."""
        if self._packets is not None:
            return
        self._skipped |= packet.is_corrupt
        if self._between is not None and packet.pos is not None:
            same = packet.pos == self._place  # in ASF, several have one
            between = self._between + packet.size // 50
            self._skipped |= self._place >= 0 and packet.pos - self._behind > between
            self._behind = (self._behind + 24 if same else packet.pos) + packet.size
            self._first_place = packet.pos if self._place < 0 else self._first_place
            self._place = packet.pos
        self._all += packet.size > 0
        if (time := _time(packet)) is None or packet.stream_index >= self._tracks:
            return
        end = time + (packet.duration * packet.time_base if packet.duration else 2 * self._half)
        self._read_until = max(self._read_until, end)
        if packet.stream is self._stream and not packet.size:  # the last picture stays
            self._end = max(self._end, end)

    def _expect(self, packet: Packet) -> None:
        """A picture of it."""
        self._count += 1
        if self._begins_with_key is None:
            key = packet.is_keyframe or self._format.startswith(_FILES)
            self._begins_with_key = key and self._packets is None
            if self._begins_with_key and not packet.is_discard:
                self.origin = _time(packet)
        if packet.dts is not None:
            # In fragments a packet lasts until the next one; other files have an index of all.
            gap = self._next is not None and packet.dts > self._next
            if gap and self._format.startswith("mov") and self._count > self._stream.frames:
                self._met(self._end)
            self._next = packet.dts + (packet.duration or 0)
        shown = self._stream.codec_context.name != "vp8" or bytes(packet)[0] & 0x10
        if packet.pts is not None and shown and not packet.is_discard:
            self._due.add(packet.pts * packet.time_base)

    def _decoded(self, packet: Packet | None) -> Iterator[VideoFrame]:
        try:
            frames = self._stream.codec_context.decode(packet)
        except av.FFmpegError:
            self._met(self._end)
            return
        for frame in frames:
            if not frame.time_base:
                frame.time_base = self._stream.time_base
            if frame.is_corrupt and not (self._begun or self._begins_with_key):
                continue
            self._check_time(frame)
            if frame.is_corrupt:
                self._met(self._last)
                self._damage.mended += 1
            yield frame

    def _check_time(self, frame: VideoFrame) -> None:
        """Whether pictures are missing before this one."""
        assert frame.time_base is not None
        if frame.pts is None:
            self._begun = True
            return
        time = frame.pts * frame.time_base
        if self.origin is None or not self._begun:  # some are shown before that of the first packet
            self.origin = time if self.origin is None else min(self.origin, time)
        previous = self._last if self._begun else self.origin - 2 * self._half
        if not (self._begun or self._begins_with_key):
            previous = time
        early = {due for due in self._due if due <= time}
        self._due -= early
        # Fields and pictures that are never shown have packets of their own, beside another's.
        if any(previous + self._half < due < time - self._half for due in early):
            self._met(self._end)
        if self._begun and time - self._end > self._half:
            self._gap = self._end if self._gap is None else self._gap
            if self._format == "ogg":
                self._met(self._end)
        if self._gap is not None and (self._skipped or self._is_chain_broken()):
            self._met(self._gap)
        self._begun = True
        self._last = time
        self._end = time + (frame.duration * frame.time_base or 2 * self._half)

    def _is_chain_broken(self) -> bool:
        if self._chain_broken is None:
            chained = self._format.startswith(_CHAINED) and self._is_file()
            self._chain_broken = chained and is_chain_broken(Path(self._container.name))
        return self._chain_broken

    def _is_file(self) -> bool:
        return Path(self._container.name).is_file()

    def _check_end(self) -> None:
        late = any(due > self._last + self._half for due in self._due)
        if late or self._damage.flaw or (self._packets is None and self._is_short()):
            self._met(self._end)

    def _is_short(self) -> bool:
        """Whether the container says that there is more than was read, from the beginning on."""
        short = self._count < self._expected_packets()
        if self._container.duration is not None and self._format.startswith(_TIMED):
            missing = Fraction(self._container.duration, av.time_base) - self._read_until
            short |= missing > Fraction(3, 2) * self._half
            odd = abs(missing) > 2 * self._half or (self.origin or 0) > self._half
            short |= odd and self._is_chain_broken()
        if self._format.startswith("mov") and self._is_file():
            short |= self._all < num_samples(Path(self._container.name))
        if self._format == "asf" and self._is_file():
            short |= self._first_place > first_packet(Path(self._container.name))
        if self._format == "yuv4mpegpipe":
            short |= self._container.size > self._behind
        return short

    def _expected_packets(self) -> int:
        """0 where nothing is known."""
        stream = self._stream
        indexed = len(stream.index_entries)
        if self._format == "avi":
            return max(indexed, stream.frames)
        if not self._format.startswith("mov"):
            return 0
        if indexed < stream.frames:  # trimmed, or are index or clock damaged?
            if self._container.duration is None:
                return stream.frames
            whole = {"advanced_editlist": "0"}
            with open_input(self._container.name, options=whole) as untrimmed:
                entries = untrimmed.streams[stream.index].index_entries
                return stream.frames if len(entries) < stream.frames else indexed
        return self._indexed

    def _met(self, time: Fraction) -> None:
        if self._begun or self._begins_with_key:
            self._damage.met(time - (self.origin or 0))


def _time(packet: Packet) -> Fraction | None:
    ticks = packet.dts if packet.pts is None else packet.pts
    return None if ticks is None else ticks * packet.time_base
