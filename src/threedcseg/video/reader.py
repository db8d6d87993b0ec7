"""Videos, and folders as if they were videos, as streams of RGB frames, in constant memory."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Self

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from threedcseg.errors import InputError
from threedcseg.video.animation import AnimationReader
from threedcseg.video.damage import Damage
from threedcseg.video.decoding import Decoding
from threedcseg.video.deinterlace import deinterlaced
from threedcseg.video.folder import FOLDER_RATE, FolderReader
from threedcseg.video.frame import Frame, FrameSource
from threedcseg.video.kinds import is_animated_webp, is_still, kind_of
from threedcseg.video.live import is_web, live_name, without_password
from threedcseg.video.opening import is_list, open_input
from threedcseg.video.picture import PictureFormat
from threedcseg.video.tracks import audio_streams
from threedcseg.video.structure import Flaw, flaw_of


@dataclass(frozen=True)
class Reading:
    """How a source is read.

    Attributes:
        fps: frames per second of a folder; None for 24, and for files, which have their own.
        deinterlace: make whole pictures of interlaced ones; else their fields stay woven.
    """

    fps: Fraction | None = None
    deinterlace: bool = True


def open_video(
    path: str | Path, *, folder_rate: Fraction | None = None, deinterlace: bool = True
) -> FrameSource:
    """Open a video file, an animated image, or a folder of images as if it were a video.

    Args:
        path: a file of any container and codec FFmpeg decodes, also behind ``http://``, or a
            folder of images.
        folder_rate: frames per second of a folder (24); files have their own.
        deinterlace: make whole pictures of interlaced ones; else their fields stay woven.

    Raises:
        InputError: missing, empty, unreadable, not a video, no frames in it, ...; while iterating:
            the frame size changes. What is lost of a damaged file is counted in its `damage`.

    >>> with open_video("examples/dog.mp4") as video:  # doctest: +SKIP
    ...     for frame in video:
    ...         print(frame.name, float(frame.time), frame.image.shape)
    """
    if is_web(path) and folder_rate is None:
        return VideoReader(path, deinterlace=deinterlace)
    if not str(path):
        raise InputError("an empty name was given", "name a video or a folder")
    path = Path(path)
    if path.is_dir():
        return FolderReader(path, folder_rate or FOLDER_RATE)
    if folder_rate is not None:
        raise InputError(f"{path} has a rate of its own", "give one for folders of frames only")
    if is_animated_webp(path):
        return AnimationReader(path)
    return VideoReader(path, deinterlace=deinterlace)


class VideoReader:
    """The frames of a video file: upright, deinterlaced RGB, with the file's own times.

    What cannot be decoded is passed over, and counted in ``damage``. At a constant frame rate the
    frames behind a gap keep the numbers they have in the file. Messages call it ``shown`` where
    people know it by another name than ``path``.
    """

    def __init__(
        self, path: str | Path, shown: str | None = None, *, deinterlace: bool = True
    ) -> None:
        web = is_web(path)
        self.path = Path(live_name(str(path)) if web else path)
        # An absolute name, since FFmpeg takes "a:b.mp4" for a protocol and "%03d" for a pattern.
        self.address: str | None = str(path) if web else str(self.path.absolute())
        self._deinterlace = deinterlace
        self.shown = shown or without_password(str(path))
        self._flaw = None if web else _check_file(self.path, self.shown)
        self._frames: Generator[Frame] | None = None
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
            tracks = audio_streams(container)
            self.has_audio = bool(tracks)
            self.start = self._first_time = decoding.origin or Fraction(0)
            for track in tracks:
                # Sound may begin before the picture. Encoders put a little priming before time 0.
                if track.start_time is not None and track.time_base is not None:
                    self.start = min(
                        self.start, max(track.start_time * track.time_base, Fraction(0))
                    )
            self.num_bytes: int | None = None if web else self.path.stat().st_size
            self.damage = Damage()

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

    def _read(self) -> Generator[Frame]:
        self.damage = damage = Damage(self.num_frames, flaw=self._flaw)
        number, time = -1, Fraction(0)
        numbers = _Numbers(self.rate, self.time_base)
        expected, rgb = self._format.coded_size, self._format.rgb
        with self._open() as container:
            stream = self._video_stream(container)
            frames: Iterator[VideoFrame] = iter(Decoding(container, stream, damage))
            for frame in deinterlaced(frames, stream) if self._deinterlace else frames:
                if (frame.width, frame.height) != expected:
                    raise InputError(
                        f"{self.shown} changes its size from {expected[0]}x{expected[1]} to "
                        f"{frame.width}x{frame.height} at frame {number + 1}, expected one size",
                        "cut it there, or scale it to one size",
                    )
                time = self._time(frame, number, time)
                number = numbers.next(time - self._first_time + self.start, bool(damage))
                damage.decoded += 1
                deep = partial(rgb, frame, "rgb48le") if self.depth > 8 else None
                yield Frame(number, rgb(frame), f"{number:05d}", time, deep)

    def _time(self, frame: VideoFrame, previous_number: int, previous: Fraction) -> Fraction:
        """From the frame's time stamp; one period on where that is missing or runs backwards."""
        first = previous_number < 0
        if frame.pts is not None and frame.time_base is not None:
            time = frame.pts * frame.time_base - self.start
            if first or time > previous:
                return time
        return self._first_time - self.start if first else previous + 1 / self.rate

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
            raise self._not_a_video("a single image")
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
        stream.thread_type = "AUTO"
        return stream


class _Numbers:
    """The numbers of frames: one after the other, but at a constant rate those of lost frames are
    left out. Without damage a gap in time is but a variable rate."""

    def __init__(self, rate: Fraction, time_base: Fraction) -> None:
        self._rate = rate
        self._tick = max(time_base, Fraction(1, 1000)) * rate  # in frames
        self._constant = True
        self._number, self._time = -1, Fraction(0)

    def next(self, time: Fraction, damaged: bool) -> int:
        """That of the frame at ``time`` seconds from the first one's."""
        steps = time * self._rate if self._number < 0 else (time - self._time) * self._rate
        whole = round(steps) + (self._number < 0)
        self._constant &= abs(steps - round(steps)) <= self._tick and (damaged or whole == 1)
        self._time = time
        self._number += max(1, whole) if self._constant else 1
        return self._number


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
            raise InputError(
                f"{shown} is a single image, expected a video", f"give its folder {path.parent}"
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
