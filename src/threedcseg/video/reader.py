"""Videos, and folders as if they were videos, as streams of RGB frames, in constant memory."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Self

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from threedcseg.errors import InputError
from threedcseg.video.animation import AnimationReader
from threedcseg.video.damage import Damage
from threedcseg.video.decoding import Decoding
from threedcseg.video.deinterlace import deinterlaced
from threedcseg.video.folder import FOLDER_RATE, FolderReader
from threedcseg.video.frame import Frame, FrameSource
from threedcseg.video.kinds import is_animated_webp, is_picture, is_still, kind_of
from threedcseg.video.live import is_web, live_name, without_password
from threedcseg.video.opening import is_list, open_input
from threedcseg.video.part import WHOLE, Extent, Part, nothing_there, tell_if_beyond
from threedcseg.video.picture import PictureFormat
from threedcseg.video.seeking import frames_from
from threedcseg.video.size import MAX_PIXELS, check_pixels
from threedcseg.video.structure import MAX_EDITS, Flaw, flaw_of, num_edits
from threedcseg.video.tracks import audio_streams, timecode_of

_STEADY = 8  # frames at a rate make it a constant one


@dataclass(frozen=True)
class Reading:
    """How a source is read.

    Attributes:
        fps: frames per second of a folder or of raw frames; None for the usual, and for files,
            which have their own.
        deinterlace: make whole pictures of interlaced ones; else their fields stay woven.
        part: that is read; None for the whole.
        max_pixels: of a frame; larger ones are refused.
    """

    fps: Fraction | None = None
    deinterlace: bool = True
    part: Part | None = None
    max_pixels: int = MAX_PIXELS

    def open(self, path: str | Path) -> FrameSource:
        """`open_video`, read so."""
        return open_video(
            path,
            folder_rate=self.fps,
            deinterlace=self.deinterlace,
            part=self.part,
            max_pixels=self.max_pixels,
        )

    def record(self) -> dict[str, str | bool | None]:
        """What the record of a run says of it."""
        fps = None if self.fps is None else str(self.fps)
        part = {} if self.part is None else self.part.record()
        return {"fps": fps, "deinterlace": self.deinterlace, **part}


def open_video(
    path: str | Path,
    *,
    folder_rate: Fraction | None = None,
    deinterlace: bool = True,
    part: Part | None = None,
    max_pixels: int = MAX_PIXELS,
) -> FrameSource:
    """Open a video file, an animated image, or one image or a folder of them as if it were a video.

    Args:
        path: a file of any container and codec FFmpeg decodes, also behind ``http://``, or a
            folder of images.
        folder_rate: frames per second of a folder (24); files have their own.
        deinterlace: make whole pictures of interlaced ones; else their fields stay woven.
        part: that is read; None for the whole.
        max_pixels: of a frame; larger ones are refused, before memory is taken for them.

    Raises:
        InputError: missing, empty, unreadable, not a video, no frames in it or in the part, ...;
            while iterating: the size changes. What is lost of a damaged file is counted in its
            `damage`.

    >>> with open_video("examples/dog.mp4") as video:  # doctest: +SKIP
    ...     for frame in video:
    ...         print(frame.name, float(frame.time), frame.image.shape)
    """
    if is_web(path) and folder_rate is None:
        return VideoReader(path, deinterlace=deinterlace, part=part, max_pixels=max_pixels)
    if not str(path):
        raise InputError("an empty name was given", "name a video or a folder")
    path = Path(path)
    if path.is_dir():
        return FolderReader(path, folder_rate or FOLDER_RATE, part, max_pixels)
    if folder_rate is not None:
        raise InputError(f"{path} has a rate of its own", "give one for folders of frames only")
    if is_picture(path):
        return FolderReader(path, part=part, max_pixels=max_pixels)
    if is_animated_webp(path):
        return AnimationReader(path, part, max_pixels)
    return VideoReader(path, deinterlace=deinterlace, part=part, max_pixels=max_pixels)


class VideoReader:
    """The frames of a video file: upright, deinterlaced RGB, with the file's own times.

    What cannot be decoded is passed over, and counted in ``damage``. At a constant frame rate the
    frames behind a gap keep the numbers they have in the file. Messages call it ``shown`` where
    people know it by another name than ``path``.
    """

    def __init__(
        self,
        path: str | Path,
        shown: str | None = None,
        *,
        deinterlace: bool = True,
        part: Part | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._max_pixels = max_pixels
        web = is_web(path)
        self.path = Path(live_name(str(path)) if web else path)
        # An absolute name, since FFmpeg takes "a:b.mp4" for a protocol and "%03d" for a pattern.
        self.address: str | None = str(path) if web else str(self.path.absolute())
        self._deinterlace = deinterlace
        self.shown = shown or without_password(str(path))
        self._flaw = None if web else _check_file(self.path, self.shown)
        self._frames: Generator[Frame] | None = None
        self._from: Fraction = Fraction(0)
        self._to: Fraction | None = None  # seconds of the recording
        self._numbers: dict[int, int] = {}  # of frames that were sought, by time stamp
        self.extent = WHOLE
        with self._open() as container:
            stream = self._video_stream(container)
            decoding = Decoding(container, stream, Damage())
            first = next(iter(decoding), None)
            if first is None:
                raise self._not_a_video("it holds no frames")
            self._format = form = PictureFormat(stream, first)
            self.height, self.width, self.rate = form.height, form.width, form.rate
            self.pixel_aspect, self.color, self.depth = form.pixel_aspect, form.color, form.depth
            self.num_frames = _estimated_frames(container, stream, self.rate)
            self.time_base = form.time_base
            self.start = self._first_time = decoding.origin or Fraction(0)
            for track in audio_streams(container):
                # Sound may begin before the picture. Encoders put a little priming before time 0.
                if track.start_time is not None and track.time_base is not None:
                    self.start = min(
                        self.start, max(track.start_time * track.time_base, Fraction(0))
                    )
            self.num_bytes: int | None = None if web else self.path.stat().st_size
            self.damage = Damage()
            timecode = timecode_of(container)
        if part is not None:
            self._enter(part, timecode)

    def __iter__(self) -> Iterator[Frame]:
        self.close()
        self._frames = self._read()
        return self._frames

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End a running iteration and close the file; a new iteration opens it again."""
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    def _enter(self, part: Part, timecode: str | None) -> None:
        """From now on only ``part`` is read."""
        start, end = part.bounds(self.rate, timecode, self.shown)
        half = 1 / (2 * self.rate)
        self._from, self._to = start - half, None if end is None else end - half
        first = next(iter(self), None)
        self.close()
        length = None if self.num_frames is None else self.num_frames / self.rate
        if first is None:
            raise nothing_there(part, self.shown, length)
        tell_if_beyond(end, self.shown, length)
        self.start += first.time
        self.extent = Extent(first.index, first.time, None if end is None else end - first.time)
        if self.num_frames is not None and length:
            share = ((length if end is None else min(end, length)) - first.time) / length
            self.num_frames = max(1, round(share * self.num_frames))
            self.num_bytes = self.num_bytes and max(1, round(share * self.num_bytes))

    def _read(self) -> Generator[Frame]:
        self.damage = damage = Damage(self.num_frames, flaw=self._flaw)
        time: Fraction | None = None
        expected, rgb = self._format.coded_size, self._format.rgb
        with self._begun() as (stream, numbers, frames):
            for frame in deinterlaced(frames, stream) if self._deinterlace else frames:
                if (frame.width, frame.height) != expected:
                    raise InputError(
                        f"{self.shown} changes its size from {expected[0]}x{expected[1]} to "
                        f"{frame.width}x{frame.height} at frame {numbers.last + 1}, expected one "
                        "size",
                        "cut it there, or scale it to one size",
                    )
                time = self._time(frame, time)
                if self._to is not None and time >= self._to:
                    return
                number = numbers.next(time - self._first_time + self._recording_start, damage)
                if time >= self._from:
                    damage.decoded += 1
                    deep = partial(rgb, frame, "rgb48le") if self.depth > 8 else None
                    shown = time - self.extent.before
                    yield Frame(number, rgb(frame), f"{number:05d}", shown, deep)

    @contextmanager
    def _begun(self) -> Iterator[tuple[VideoStream, "_Numbers", Iterator[VideoFrame]]]:
        """The stream, the numbers of its frames, and these from a little before the part on."""
        tick = max(self.time_base, Fraction(1, 1000))
        if self._from > 0:
            with self._open() as container:
                stream = self._video_stream(container)
                time = self._recording_start + self._from
                decode = partial(self._decode, container, stream)
                found = frames_from(
                    container, stream, time, self._first_time, decode, self._open, self._numbers
                )
                if found is not None:
                    number, frames = found
                    yield stream, _Numbers(self.rate, tick, number), frames
                    return
        with self._open() as container:
            stream = self._video_stream(container)
            yield stream, _Numbers(self.rate, tick), self._decode(container, stream)

    def _decode(
        self,
        container: InputContainer,
        stream: VideoStream,
        packets: Iterable[Packet] | None = None,
    ) -> Iterator[VideoFrame]:
        """The pictures, from ``packets`` of the stream on where it was sought."""
        sought = None if packets is None else (self._first_time, packets)
        return iter(Decoding(container, stream, self.damage, sought))

    @property
    def _recording_start(self) -> Fraction:
        return self.start - self.extent.before

    def _time(self, frame: VideoFrame, previous: Fraction | None) -> Fraction:
        """In the whole recording, from the frame's time stamp; one period on where that is missing
        or runs backwards."""
        if frame.pts is not None and frame.time_base is not None:
            time = frame.pts * frame.time_base - self._recording_start
            if previous is None or time > previous:
                return time
        if previous is None:
            return self._first_time - self._recording_start
        return previous + 1 / self.rate

    def _open(self) -> InputContainer:
        assert self.address is not None
        try:
            container = open_input(self.address, stills=True)
        except av.EOFError:
            raise self._not_a_video("it ends before its first frame") from None
        except av.FFmpegError as error:
            lists = is_list(self.path)
            reason = "it lists other files" if lists else str(error.strerror).lower()
            raise self._not_a_video(reason) from None
        if is_still(container):
            container.close()
            raise self._not_a_video("a picture, by another name")
        return container

    def _not_a_video(self, reason: str) -> InputError:
        if self._flaw == "cut short":
            return InputError(
                f"{self.shown} cannot be opened: it is cut short (its end is missing)",
                "copy or download it again",
            )
        return InputError(
            f"{self.shown} cannot be opened as a video ({reason}), expected MP4, MOV, MKV, "
            "WebM, AVI or another video file",
            "check that it plays, or convert it",
        )

    def _video_stream(self, container: InputContainer) -> VideoStream:
        streams = [
            stream
            for stream in container.streams.video
            if not stream.disposition & av.stream.Disposition.attached_pic
        ]
        if not streams:
            kind = "sound but no picture" if container.streams.audio else "no video stream"
            raise InputError(f"{self.shown} holds {kind}, expected a video", "give another file")
        best = container.streams.best("video")
        stream = next((stream for stream in streams if stream is best), streams[0])
        if stream.codec_context is None:
            raise InputError(
                f"{self.shown} is coded in a way FFmpeg cannot decode here", "convert it to H.264"
            )
        # Threads by frame hold pictures back, which are lost where the end is damaged.
        stream.thread_type = "SLICE" if self._flaw else "AUTO"
        context = stream.codec_context
        check_pixels(self.shown, context.width, context.height, self._max_pixels)
        context.options = {"max_pixels": str(self._max_pixels)}  # where the header is wrong
        return stream


class _Numbers:
    """The numbers of frames: one after the other, but behind damage those of lost frames are left
    out, if the rate was constant before. Without damage a gap in time is but a variable rate.

    Args:
        rate: of the frames.
        tick: seconds by which times may be rounded.
        first: number of the first one to come; None: it is frame 0, or those before it are lost.

    Attributes:
        last: the number given last.
    """

    def __init__(self, rate: Fraction, tick: Fraction, first: int | None = None) -> None:
        self._rate, self._inexact = rate, tick * rate
        self._steady = _STEADY  # so many frames came at the rate
        self.last = -1 if first is None else first - 1
        self._time = -1 / rate if first is None else None

    def next(self, time: Fraction, damage: Damage) -> int:
        """That of the frame at ``time`` seconds from the recording's first."""
        steps = Fraction(1) if self._time is None else (time - self._time) * self._rate
        count = max(1, round(steps))
        exact = abs(steps - count) <= self._inexact
        lost = count - 1 if damage and exact and self._steady >= _STEADY else 0
        self._steady = self._steady + 1 if exact and count in (1, 1 + lost) else 0
        self._time = time
        self.last += 1 + lost
        return self.last


def _check_file(path: Path, shown: str) -> Flaw | None:
    """What its structure says; InputError where it cannot be a video at all."""
    try:
        if not path.exists():
            raise InputError(f"{shown} does not exist", "check the name")
        if not path.is_file():
            raise InputError(f"{shown} is neither a file nor a folder", "give a video file")
        if path.stat().st_size == 0:
            raise InputError(f"{shown} is empty (0 bytes)", "copy or download it again")
        if kind_of(path) == "image":
            raise InputError(f"{shown} is a picture, expected a video", "give another file")
        if num_edits(path) > MAX_EDITS:
            raise InputError(
                f"{shown} has a list of {num_edits(path)} edits, expected at most {MAX_EDITS}",
                "convert it",
            )
        return flaw_of(path)
    except PermissionError:
        raise InputError(f"{shown} may not be read", "change its permissions") from None


def _estimated_frames(container: InputContainer, stream: VideoStream, rate: Fraction) -> int | None:
    if stream.duration and stream.time_base:  # fragments are not among the frames that are counted
        return max(1, stream.frames, round(stream.duration * stream.time_base * rate))
    if stream.frames:
        return stream.frames
    if container.duration:
        return max(1, round(Fraction(container.duration, av.time_base) * rate))
    return None
