"""The sound of a video, carried over to what is made of it: the same samples at the same times."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SoundFormat:
    """What sound a container takes: ``copied`` as it is, anything else encoded by ``codec``.

    ``rates`` are those the codec knows (none given: any); other rates become 48 kHz.
    """

    copied: frozenset[str]
    codec: str
    rates: frozenset[int] = frozenset()


MP4_SOUND = SoundFormat(  # what players play
    frozenset(["aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "libopus", "flac"]),
    "aac",
    frozenset(
        [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350]
    ),
)
MOV_SOUND = SoundFormat(  # what editors read
    frozenset(["aac", "mp3", "mp3float", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"]),
    "pcm_s16le",
)
WEBM_SOUND = SoundFormat(
    frozenset(["opus", "libopus", "vorbis"]), "libopus", frozenset([48000, 24000, 16000, 12000])
)


class AudioTrack:
    """Copies (or, where the container cannot hold it, encodes anew) the sound of a file.

    Args:
        path: the video file; it must have sound.
        output: an open container to which nothing has been written yet.
        start: seconds of the file's own time that become 0.
        format: what the container takes.
    """

    def __init__(
        self, path: Path, output: OutputContainer, start: Fraction, format: SoundFormat = MP4_SOUND
    ) -> None:
        self._path, self._output = path, output
        self._input: InputContainer = av.open(str(path.absolute()), "r", metadata_errors="replace")
        source = audio_stream(self._input)
        if source is None:
            raise ValueError(f"{path} has no sound")
        self._track: AudioStream
        if source.codec_context.name in format.copied:
            self._track = output.add_stream_from_template(source)
            self._packets = self._copied(source, start)
        else:
            rate = source.rate if source.rate in format.rates or not format.rates else 48000
            track = output.add_stream(format.codec, rate=rate)
            assert isinstance(track, AudioStream)  # what a name of type `str` hides from the types
            self._track = track
            self._track.layout = "mono" if source.channels == 1 else "stereo"
            self._packets = self._encoded(source, start)
        self._next: Packet | None = None

    def write_until(self, time: Fraction | None = None) -> None:
        """Write the packets up to ``time`` seconds (None: all), to lie beside the picture's."""
        while (packet := self._next or self._read()) is not None:
            self._next = packet
            if time is not None and (packet.pts or 0) * packet.time_base > time:
                return
            self._next = None
            self._output.mux(packet)

    def _read(self) -> Packet | None:
        try:
            return next(self._packets, None)
        except av.FFmpegError as error:
            _log.warning("%s: the sound is damaged and ends early (%s)", self._path, error.strerror)
            self._packets = iter(())
            return None

    def close(self) -> None:
        self._input.close()

    def _copied(self, source: AudioStream, start: Fraction) -> Iterator[Packet]:
        for packet in self._input.demux(source):
            if packet.dts is None:  # the empty packet that ends the stream
                continue
            shift = round(start / packet.time_base)
            packet.dts -= shift
            packet.pts = packet.dts if packet.pts is None else packet.pts - shift
            packet.stream = self._track
            yield packet

    def _encoded(self, source: AudioStream, start: Fraction) -> Iterator[Packet]:
        for packet in self._input.demux(source):
            for frame in packet.decode():
                if frame.pts is not None and frame.time_base is not None:
                    frame.pts -= round(start / frame.time_base)
                yield from self._track.encode(frame)
        yield from self._track.encode(None)


def audio_stream(container: InputContainer) -> av.AudioStream | None:
    """The sound track that goes with the picture, or None if there is none that can be read."""
    stream = container.streams.best("audio")
    return stream if isinstance(stream, av.AudioStream) and stream.codec_context else None
