"""The sound of a video, carried over to its overlay: the same samples at the same times."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from threedcseg.video.reader import audio_stream

_log = logging.getLogger(__name__)

# What MP4 players play as it is; anything else becomes AAC.
_COPIED = frozenset(["aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "libopus", "flac"])
_AAC_RATES = frozenset(
    [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350]
)


class AudioTrack:
    """Copies (or, where MP4 cannot hold it, encodes as AAC) the sound of a file.

    Args:
        path: the video file; it must have sound.
        output: an MP4 to which nothing has been written yet.
        start: seconds of the file's own time that become 0.
    """

    def __init__(self, path: Path, output: OutputContainer, start: Fraction) -> None:
        self._path, self._output = path, output
        self._input: InputContainer = av.open(str(path.absolute()), "r", metadata_errors="replace")
        source = audio_stream(self._input)
        if source is None:
            raise ValueError(f"{path} has no sound")
        self._track: AudioStream
        if source.codec_context.name in _COPIED:
            self._track = output.add_stream_from_template(source)
            self._packets = self._copied(source, start)
        else:
            rate = source.rate if source.rate in _AAC_RATES else 48000
            self._track = output.add_stream("aac", rate=rate)
            self._track.layout = "mono" if source.channels == 1 else "stereo"
            self._packets = self._encoded(source, start)
        self._next: Packet | None = None

    def write_until(self, time: Fraction | None = None) -> None:
        """Write the packets up to ``time`` seconds (None: all), to lie beside the picture's."""
        try:
            while (packet := self._next or next(self._packets, None)) is not None:
                self._next = packet
                if time is not None and (packet.pts or 0) * packet.time_base > time:
                    return
                self._next = None
                self._output.mux(packet)
        except av.FFmpegError as error:
            _log.warning("%s: the sound is damaged and ends early (%s)", self._path, error.strerror)
            self._packets = iter(())

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
