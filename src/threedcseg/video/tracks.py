"""What a video holds beside its picture, carried over to what is made of it.

Sound at the same times, subtitles, chapters, languages, time of creation, timecode: as they are
where the container can hold them. What is changed or lost is told in one line.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from threedcseg.video.opening import open_input
from threedcseg.video.part import WHOLE, Extent
from threedcseg.video.timecode import later

if TYPE_CHECKING:
    from av.container.core import Chapter

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrackFormat:
    """What a container takes besides pictures.

    Attributes:
        name: of the container, for people.
        copied: codecs of sound that are copied as they are; a name that ends in ``_`` stands for
            all that begin so. Other sound is encoded anew.
        codec: by which; ``deep_codec`` where samples have more than 16 bits, if that is another.
        rates: those the codec knows (none given: any); other rates become 48 kHz.
        layouts: of the channels, by their number; None: whatever the source has.
        subtitles: codecs of subtitles that are copied; other subtitles are left out.
        chapters_touch: chapters fill the whole time, so that gaps become chapters without a title.
    """

    name: str
    copied: frozenset[str]
    codec: str
    deep_codec: str | None = None
    rates: frozenset[int] = frozenset()
    layouts: dict[int, str] | None = None
    subtitles: frozenset[str] = frozenset()
    chapters_touch: bool = False


_LAYOUTS = dict(enumerate(["mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"], 1))
MP4_TRACKS = TrackFormat(  # what players play
    "MP4",
    frozenset(["aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "libopus", "flac"]),
    "aac",
    rates=frozenset(
        [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350]
    ),
    layouts={**_LAYOUTS, 4: "4.0"},
    subtitles=frozenset(["mov_text"]),
    chapters_touch=True,
)
MOV_TRACKS = TrackFormat(  # what editors read
    "MOV",
    frozenset(["aac", "mp3", "mp3float", "ac3", "eac3", "alac", "pcm_"]),
    "pcm_s16le",
    deep_codec="pcm_s24le",
    subtitles=frozenset(["mov_text"]),
    chapters_touch=True,
)
WEBM_TRACKS = TrackFormat(
    "WebM",
    frozenset(["opus", "libopus", "vorbis"]),
    "libopus",
    rates=frozenset([48000, 24000, 16000, 12000]),
    layouts=_LAYOUTS,
    subtitles=frozenset(["webvtt"]),
)
# Of the container that was read, not of what is in it.
_NOT_KEPT_TAGS = frozenset(
    ["major_brand", "minor_version", "compatible_brands", "encoder", "timecode", "duration"]
)
_INTERLEAVED = 10  # seconds that tracks may lie apart in a file
_CODED_AHEAD = 1  # seconds that a decoder may need before the first sound that is kept
_STREAM_TAGS = ("language", "title", "handler_name")


class Tracks:
    """Carries over what the file at ``address`` holds beside its picture.

    Args:
        address: what FFmpeg opens.
        output: an open container to which nothing has been written yet.
        picture: its stream of pictures.
        start: seconds of the file's own time that become 0.
        format: what the container takes.
        extent: the part of the file that is carried over.
    """

    def __init__(
        self,
        address: str,
        output: OutputContainer,
        picture: VideoStream,
        start: Fraction,
        format: TrackFormat,
        extent: Extent = WHOLE,
    ) -> None:
        self._address, self._output, self._start, self._format = address, output, start, format
        self._extent, self._is_part = extent, extent != WHOLE
        self._input: InputContainer = open_input(address)
        self._making: dict[int, Callable[[Packet], Iterable[Packet]]] = {}
        self._encoders: list[AudioStream] = []
        self._next: Packet | None = None
        lost = [line for stream in self._input.streams if (line := self._add(stream))]
        self._describe(picture)
        if lost:
            _log.warning("%s, in %s: %s", address, format.name, "; ".join(lost))
        kept = [stream for stream in self._input.streams if stream.index in self._making]
        self._packets = self._read(kept)

    def write_until(self, time: Fraction | None = None) -> None:
        """Write the packets up to ``time`` seconds (None: all), to lie beside the picture's."""
        while (packet := self._next or next(self._packets, None)) is not None:
            self._next = packet
            if time is not None and (packet.pts or 0) * packet.time_base > time:
                return
            self._next = None
            self._output.mux(packet)

    def close(self) -> None:
        self._input.close()

    def _describe(self, picture: VideoStream) -> None:
        """Chapters and everything that is said of the file and its picture."""
        tags = self._input.metadata
        self._output.metadata.update(
            {name: text for name, text in tags.items() if name.lower() not in _NOT_KEPT_TAGS}
        )
        source = self._input.streams.best("video")
        if source is not None:
            _copy_tags(source, picture)
        if (timecode := timecode_of(self._input)) is not None:
            rate = picture.average_rate or Fraction(25)
            picture.metadata["timecode"] = later(timecode, self._extent.first, rate)
        chapters = [kept for each in self._input.chapters() if (kept := self._kept(each))]
        if self._format.chapters_touch:
            chapters = without_gaps(chapters)
        if chapters:
            self._output.set_chapters(chapters)

    def _kept(self, chapter: "Chapter") -> "Chapter | None":
        """A chapter by the new times; None where it is not in the part."""
        tick = chapter["time_base"] or Fraction(1)
        shift = round(self._start / tick)
        start, end = max(0, chapter["start"] - shift), chapter["end"] - shift
        if self._extent.length is not None:
            end = min(end, round(self._extent.length / tick))
        if self._is_part and end <= start:
            return None
        return {**chapter, "start": start, "end": max(0, end)}

    def _add(self, stream: Stream) -> str | None:
        """Take a track over if that can be; what is lost of it, in words."""
        if isinstance(stream, VideoStream):
            if stream is self._input.streams.best("video"):
                return None
            cover = stream.disposition & Disposition.attached_pic
            return f"the {'cover' if cover else 'other'} picture is left out"
        codec = "unknown" if stream.codec_context is None else stream.codec_context.name
        if isinstance(stream, AudioStream):
            return self._add_sound(stream, codec)
        if stream.type == "subtitle" and codec in self._format.subtitles:
            self._copy(stream)
            return None
        told = any(name.lower() == "timecode" for name, _ in _tags(stream))
        if told or stream.discard == Discard.all:  # MOV's own for timecode and chapters
            return None
        kind = {"subtitle": f"the subtitles ({codec})", "attachment": "an attachment"}
        return f"{kind.get(stream.type, 'a track of data')} (track {stream.index}) left out"

    def _add_sound(self, stream: AudioStream, codec: str) -> str | None:
        form, named = self._format, f"sound ({codec}, track {stream.index})"
        if stream.codec_context is None:
            return f"{named}: left out, it cannot be decoded"
        family = codec.partition("_")[0] + "_"
        if codec in form.copied or family in form.copied:
            try:
                self._copy(stream)
                return None
            except ValueError:  # one of the family that the container has no name for
                pass
        channels = stream.codec_context.layout.nb_channels
        layout = stream.codec_context.layout.name
        if form.layouts is not None:
            if channels not in form.layouts:
                return f"{named}: left out, {channels} channels"
            layout = form.layouts[channels]
        rate = stream.rate if stream.rate in form.rates or not form.rates else 48000
        deep = stream.codec_context.format.bytes > 2 and form.deep_codec
        track = self._output.add_stream(deep or form.codec, rate=rate)
        assert isinstance(track, AudioStream)  # what a name of type `str` hides from the types
        track.layout = layout
        if channels > 2:
            track.bit_rate = 64_000 * channels
        _copy_tags(stream, track)
        self._making[stream.index] = lambda packet: self._encoded(packet, track)
        self._encoders.append(track)
        return f"{named}: encoded anew as {track.codec_context.name}"

    def _copy(self, stream: Stream) -> None:
        track = self._output.add_stream_from_template(stream)
        _copy_tags(stream, track)
        self._making[stream.index] = lambda packet: self._copied(packet, track)

    def _read(self, kept: list[Stream]) -> Iterator[Packet]:
        if not kept:
            return
        try:
            if self._extent.before > 0:
                self._input.seek(int(self._start * av.time_base))
            for packet in self._input.demux(*kept):
                making = self._making.get(packet.stream.index)
                if making is None or packet.dts is None:  # the empty packet that ends a stream
                    continue
                time = packet.dts * packet.time_base - self._start
                if self._is_over(time - _INTERLEAVED):
                    break
                if self._is_over(time) or (self._is_part and time < -_CODED_AHEAD):
                    continue
                try:
                    yield from making(packet)
                except av.FFmpegError as error:
                    self._damaged(error)
                    del self._making[packet.stream.index]
        except av.FFmpegError as error:
            self._damaged(error)
        for track in self._encoders:
            yield from track.encode(None)

    def _is_over(self, time: Fraction) -> bool:
        return self._extent.length is not None and time >= self._extent.length

    def _damaged(self, error: av.FFmpegError) -> None:
        _log.warning("%s: the sound is damaged and ends early (%s)", self._address, error.strerror)

    def _copied(self, packet: Packet, track: Stream) -> Iterator[Packet]:
        if packet.dts is not None:
            shift = round(self._start / packet.time_base)
            packet.dts -= shift
            packet.pts = packet.dts if packet.pts is None else packet.pts - shift
            packet.stream = track
            if not (self._is_part and packet.pts < 0):
                yield packet

    def _encoded(self, packet: Packet, track: AudioStream) -> Iterator[Packet]:
        for frame in packet.decode():
            if isinstance(frame, av.AudioFrame):
                if frame.pts is not None and frame.time_base is not None:
                    frame.pts -= round(self._start / frame.time_base)
                    if self._is_part and frame.pts < 0:
                        continue
                yield from track.encode(frame)


def timecode_of(container: InputContainer) -> str | None:
    """The timecode at which a file begins, whichever track says it."""
    tags = (tag for tagged in (*container.streams, container) for tag in _tags(tagged))
    return next((text for name, text in tags if name.lower() == "timecode"), None)


def without_gaps(chapters: list["Chapter"]) -> list["Chapter"]:
    """Chapters with one of no title wherever there is none, from 0 to the end of the last."""
    filled: list[Chapter] = []
    end = Fraction(0)  # seconds
    for chapter in sorted(chapters, key=lambda each: each["start"] * (each["time_base"] or 1)):
        tick = chapter["time_base"] or Fraction(1)
        if chapter["start"] * tick > end:
            untitled = {"title": ""}
            start = round(end / tick)
            filled.append(
                {**chapter, "start": start, "end": chapter["start"], "metadata": untitled}
            )
        filled.append(chapter)
        end = chapter["end"] * tick
    return [{**chapter, "id": number} for number, chapter in enumerate(filled, 1)]


def audio_streams(container: InputContainer) -> list[AudioStream]:
    """The sound tracks that can be read."""
    return [stream for stream in container.streams.audio if stream.codec_context]


def _tags(tagged: Stream | InputContainer) -> list[tuple[str, str]]:
    return list(tagged.metadata.items())


def _copy_tags(source: Stream, target: Stream) -> None:
    target.metadata.update({n: t for n, t in _tags(source) if n.lower() in _STREAM_TAGS})
    target.disposition = source.disposition
