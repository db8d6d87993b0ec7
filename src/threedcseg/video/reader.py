"""Videos, and folders as if they were videos, as streams of RGB frames, in constant memory."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Self

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from threedcseg.errors import InputError
from threedcseg.video.animation import AnimationReader
from threedcseg.video.deinterlace import deinterlaced
from threedcseg.video.folder import FOLDER_RATE, FolderReader
from threedcseg.video.frame import Frame, FrameSource
from threedcseg.video.kinds import is_animated_webp, is_picture, is_still, kind_of
from threedcseg.video.live import is_web, live_name, without_password
from threedcseg.video.opening import is_list, open_input
from threedcseg.video.part import WHOLE, Extent, Part, nothing_there
from threedcseg.video.picture import PictureFormat
from threedcseg.video.seeking import frames_from
from threedcseg.video.tracks import audio_streams, timecode_of
from threedcseg.video.truncation import is_cut_short


@dataclass(frozen=True)
class Reading:
    """How a source is read.

    Attributes:
        fps: frames per second of a folder; None for 24, and for files, which have their own.
        deinterlace: make whole pictures of interlaced ones; else their fields stay woven.
        part: that is read; None for the whole.
    """

    fps: Fraction | None = None
    deinterlace: bool = True
    part: Part | None = None

    def open(self, path: str | Path) -> FrameSource:
        """`open_video`, read so."""
        return open_video(path, folder_rate=self.fps, deinterlace=self.deinterlace, part=self.part)

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
) -> FrameSource:
    """Open a video file, an animated image, or one image or a folder of them as if it were a video.

    Args:
        path: a file of any container and codec FFmpeg decodes, also behind ``http://``, or a
            folder of images.
        folder_rate: frames per second of a folder (24); files have their own.
        deinterlace: make whole pictures of interlaced ones; else their fields stay woven.
        part: that is read; None for the whole.

    Raises:
        InputError: missing, empty, unreadable, not a video, no frames in it or in the part, ...;
            while iterating: damaged or cut short (after the good frames), or the size changes.

    >>> with open_video("examples/dog.mp4") as video:  # doctest: +SKIP
    ...     for frame in video:
    ...         print(frame.name, float(frame.time), frame.image.shape)
    """
    if is_web(path) and folder_rate is None:
        return VideoReader(path, deinterlace=deinterlace, part=part)
    if not str(path):
        raise InputError("an empty name was given", "name a video or a folder")
    path = Path(path)
    if path.is_dir():
        return FolderReader(path, folder_rate or FOLDER_RATE, part)
    if folder_rate is not None:
        raise InputError(f"{path} has a rate of its own", "give one for folders of frames only")
    if is_picture(path):
        return FolderReader(path, part=part)
    if is_animated_webp(path):
        return AnimationReader(path, part)
    return VideoReader(path, deinterlace=deinterlace, part=part)


class VideoReader:
    """The frames of a video file: upright, deinterlaced RGB, with the file's own times.

    Packets that cannot be decoded before the first whole frame are skipped, as players do (a
    recording may begin between key frames); after it they are damage, and an error. Messages call
    it ``shown`` where people know it by another name than ``path``.
    """

    def __init__(
        self,
        path: str | Path,
        shown: str | None = None,
        *,
        deinterlace: bool = True,
        part: Part | None = None,
    ) -> None:
        web = is_web(path)
        self.path = Path(live_name(str(path)) if web else path)
        # An absolute name, since FFmpeg takes "a:b.mp4" for a protocol and "%03d" for a pattern.
        self.address: str | None = str(path) if web else str(self.path.absolute())
        self._deinterlace = deinterlace
        self.shown = shown or without_password(str(path))
        self._cut_short = not web and _check_file(self.path, self.shown)
        self._frames: Generator[Frame] | None = None
        self._from: Fraction = Fraction(0)
        self._to: Fraction | None = None  # seconds of the recording
        self.extent = WHOLE
        with self._open() as container:
            stream = self._video_stream(container)
            first = next(self._decode(container.demux(stream)), None)
            if first is None:
                raise self._not_a_video("it holds no frames")
            self._format = form = PictureFormat(stream, first)
            self.height, self.width, self.rate = form.height, form.width, form.rate
            self.pixel_aspect, self.color, self.depth = form.pixel_aspect, form.color, form.depth
            self.num_frames = _estimated_frames(container, stream, self.rate)
            self.time_base = form.time_base
            tracks = audio_streams(container)
            self.has_audio = bool(tracks)
            self.start = self._first_time = (first.pts or 0) * self.time_base
            for track in tracks:
                # Sound may begin before the picture. Encoders put a little priming before time 0.
                if track.start_time is not None and track.time_base is not None:
                    self.start = min(
                        self.start, max(track.start_time * track.time_base, Fraction(0))
                    )
            self.num_bytes: int | None = None if web else self.path.stat().st_size
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
        self.start += first.time
        self.extent = Extent(first.index, first.time, None if end is None else end - first.time)
        if self.num_frames is not None and length:
            share = ((length if end is None else min(end, length)) - first.time) / length
            self.num_frames = max(1, round(share * self.num_frames))
            self.num_bytes = self.num_bytes and max(1, round(share * self.num_bytes))

    def _read(self) -> Generator[Frame]:
        time = Fraction(0)
        expected, rgb = self._format.coded_size, self._format.rgb
        with self._begun() as (stream, index, frames):
            for frame in deinterlaced(frames, stream) if self._deinterlace else frames:
                if (frame.width, frame.height) != expected:
                    raise InputError(
                        f"{self.shown} changes its size from {expected[0]}x{expected[1]} to "
                        f"{frame.width}x{frame.height} at frame {index}, expected one size",
                        "cut it there, or scale it to one size",
                    )
                time = self._time(frame, index, time)
                if self._to is not None and time >= self._to:
                    return
                if time >= self._from:
                    deep = partial(rgb, frame, "rgb48le") if self.depth > 8 else None
                    yield Frame(index, rgb(frame), f"{index:05d}", time - self.extent.before, deep)
                index += 1

    @contextmanager
    def _begun(self) -> Iterator[tuple[VideoStream, int, Iterator[VideoFrame]]]:
        """The stream, frames from a little before the part on, and the number of the first."""
        if self._from > 0:
            with self._open() as container:
                stream = self._video_stream(container)
                time = self._recording_start + self._from
                found = frames_from(
                    container, stream, time, self._first_time, self._decode, self._open
                )
                if found is not None:
                    yield stream, *found
                    return
        with self._open() as container:
            stream = self._video_stream(container)
            yield stream, 0, self._decode(container.demux(stream))

    @property
    def _recording_start(self) -> Fraction:
        return self.start - self.extent.before

    def _time(self, frame: VideoFrame, index: int, previous: Fraction) -> Fraction:
        """In the whole recording, from the frame's time stamp; one period on where that is missing
        or runs backwards."""
        if frame.pts is not None and frame.time_base is not None:
            time = frame.pts * frame.time_base - self._recording_start
            if index == 0 or time > previous:
                return time
        return previous + 1 / self.rate if index else self._first_time - self._recording_start

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
        if self._cut_short:
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
        stream.thread_type = "AUTO"
        return stream

    def _decode(self, packets: Iterable[Packet]) -> Iterator[VideoFrame]:
        """The decoder's frames up to the first damage, then InputError."""
        count, whole = 0, not self._cut_short
        try:
            for packet, following in pairwise(chain(packets, [Packet()])):
                if packet.is_corrupt and following.size == 0:
                    whole = False  # the last one ends early; elsewhere it may be but a joint
                    break
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    if count == 0:
                        continue
                    raise
                for frame in frames:
                    if not frame.is_corrupt:
                        count += 1
                        yield frame
                    elif count:
                        raise self._damaged(count)
        except av.FFmpegError:
            whole = False
        if count and not whole:
            raise self._damaged(count)

    def _damaged(self, count: int) -> InputError:
        if self._cut_short:
            return InputError(
                f"{self.shown} is cut short (its end is missing); {count} frames were read",
                "copy or download it again",
            )
        return InputError(
            f"{self.shown} is damaged after frame {count - 1}; {count} frames were read",
            "get it again, or convert it with a program that repairs "
            "(ffmpeg -i IN -c:v libx264 OUT.mp4)",
        )


def _check_file(path: Path, shown: str) -> bool:
    """Whether the file is cut short; InputError where it cannot be a video at all."""
    try:
        if not path.exists():
            raise InputError(f"{shown} does not exist", "check the name")
        if not path.is_file():
            raise InputError(f"{shown} is neither a file nor a folder", "give a video file")
        if path.stat().st_size == 0:
            raise InputError(f"{shown} is empty (0 bytes)", "copy or download it again")
        if kind_of(path) == "image":
            raise InputError(f"{shown} is a picture, expected a video", "give another file")
        return is_cut_short(path)
    except PermissionError:
        raise InputError(f"{shown} may not be read", "change its permissions") from None


def _estimated_frames(container: InputContainer, stream: VideoStream, rate: Fraction) -> int | None:
    if stream.frames:
        return stream.frames
    if stream.duration and stream.time_base:
        return max(1, round(stream.duration * stream.time_base * rate))
    if container.duration:
        return max(1, round(Fraction(container.duration, av.time_base) * rate))
    return None
