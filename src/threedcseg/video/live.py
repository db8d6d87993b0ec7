"""Cameras, network streams and pipes as sources of frames.

A thread reads and decodes into a bounded queue; what to do when the network is slower than the
frames come is a policy. Every name for "live" sources is decided here.
"""

import platform
import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from threedcseg.errors import InputError
from threedcseg.video.damage import Damage
from threedcseg.video.deinterlace import deinterlaced
from threedcseg.video.frame import Color, Frame
from threedcseg.video.opening import PROTOCOLS, open_input
from threedcseg.video.part import WHOLE
from threedcseg.video.paths import shortened
from threedcseg.video.picture import PictureFormat
from threedcseg.video.pipe import RawFormat, bytes_behind, open_pipe
from threedcseg.video.size import MAX_PIXELS, check_pixels

STDIN = "-"
_OPEN_TIMEOUT, _READ_TIMEOUT = 20.0, 10.0  # seconds

WhenBehind = Literal["drop-oldest", "wait"]
"""What the reader does when the queue is full: throw away the frame that waits longest, or wait
(and with it the program at the other end of the pipe)."""


def is_address(name: str) -> bool:
    """Whether ``name`` is a camera, an address or standard input, not a file or folder here.

    >>> [is_address(name) for name in ("-", "camera:0", "rtsp://host/a", "dog.mp4", "a:b.mp4")]
    [True, True, True, False, False]
    """
    scheme, found, _ = name.partition("://")
    return name == STDIN or name.startswith("camera:") or bool(found and scheme in PROTOCOLS)


def is_live(name: str) -> bool:
    """Whether its frames come in their own time: not a file, here or behind ``http://``.

    What is behind ``http://`` is opened for that: it is a file if its duration is known.
    """
    if not is_web(name):
        return is_address(name)
    try:
        with open_input(name, timeout=(_OPEN_TIMEOUT, _READ_TIMEOUT)) as container:
            return container.duration is None
    except av.FFmpegError:
        return True  # and `LiveSource` says why it cannot be opened


def is_web(name: str | Path) -> bool:
    """Whether it is an address behind which may be a file."""
    return isinstance(name, str) and name.startswith(("http://", "https://"))


def live_name(name: str) -> str:
    """The name of the folder for the results of a live source, without user and password.

    >>> live_name("rtsp://me:secret@10.0.0.7:554/door"), live_name("camera:0"), live_name("-")
    ('rtsp-10.0.0.7-554-door', 'camera-0', 'stdin')
    """
    if name == STDIN:
        return "stdin"
    return shortened(re.sub(r"[^\w.]+", "-", without_password(name)).strip("-.")) or "live"


def without_password(name: str) -> str:
    """The address without what stands before an ``@``, so that it may be shown and recorded."""
    return re.sub(r"://[^/]*@", "://", name)


@dataclass
class Delay:
    """From a frame's arrival to its mask: in frames that arrived meanwhile, and in seconds."""

    count: int = 0
    frames: int = 0
    seconds: float = 0.0
    max_frames: int = 0
    max_seconds: float = 0.0
    sum_seconds: float = 0.0

    def add(self, frames: int, seconds: float) -> None:
        self.count += 1
        self.frames, self.seconds = frames, seconds
        self.max_frames = max(self.max_frames, frames)
        self.max_seconds = max(self.max_seconds, seconds)
        self.sum_seconds += seconds

    def __str__(self) -> str:
        return f"{self.frames} frames, {1000 * self.seconds:.0f} ms"

    def record(self) -> dict[str, float]:
        """For the completion record; milliseconds."""
        mean = self.sum_seconds / self.count if self.count else 0.0
        return {
            "max_frames": self.max_frames,
            "max_ms": round(1000 * self.max_seconds, 1),
            "mean_ms": round(1000 * mean, 1),
        }


class LiveSource:
    """A `FrameSource` of a camera, a stream or standard input; iterate it once.

    A thread of its own opens and reads it, so that `stop` ends an iteration at any moment, also
    while nothing arrives. Holds at most ``queue`` frames.

    Args:
        name: ``camera:0``, an address such as ``rtsp://...``, or ``-``.
        raw: what standard input holds if it is raw frames; else y4m, or whatever FFmpeg knows.
        when_behind: None for what fits: pipes wait, cameras and streams drop.
        queue: frames that may wait for the network.
        stdin: read instead of standard input.
        deinterlace: make whole pictures of interlaced ones.
        max_pixels: of a frame; larger ones are refused.

    Attributes:
        num_read: frames that arrived; num_dropped: of these, thrown away unseen.
        delay: measured by `delivered`, to be called after each finished frame.
        damage: what could not be decoded.
        stopped: whether `stop` ended it; ended_by: why it ended otherwise, None at a proper end.

    Raises:
        InputError: it cannot be opened, or nothing arrives.
    """

    address: str | None = None
    num_frames: int | None = None
    start = Fraction(0)
    num_bytes: int | None = None
    extent = WHOLE
    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    pixel_aspect: Fraction
    color: Color
    depth: int

    def __init__(
        self,
        name: str,
        *,
        raw: RawFormat | None = None,
        when_behind: WhenBehind | None = None,
        queue: int = 8,
        stdin: BinaryIO | None = None,
        deinterlace: bool = True,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        if raw is not None:
            check_pixels("each frame", raw.width, raw.height, max_pixels)
        self._max_pixels = max_pixels
        if not 1 <= queue <= 1000:
            raise InputError(f"a queue of {queue} frames", "give 1 to 1000")
        if raw is not None and name != STDIN:
            raise InputError(f"a size goes with raw frames on standard input (-), not with {name}")
        self.name = name
        self.path = Path(live_name(name))
        self.when_behind = when_behind or ("wait" if name == STDIN else "drop-oldest")
        self.num_read = self.num_dropped = 0
        self.delay = Delay()
        self.damage = Damage()
        self.stopped = False
        self.ended_by: str | None = None
        self._raw, self._stdin, self._size = raw, stdin, queue
        self._deinterlace = deinterlace
        self._queue: deque[tuple[int, float, VideoFrame]] = deque()
        self._pending: deque[tuple[int, float]] = deque()  # handed out, not yet delivered
        self._changed = threading.Condition()
        self._ended = self._opened = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"read {self.path}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        with self._changed:
            while not (self._opened or self._ended or self.stopped):
                self._changed.wait(0.1)  # a limit, so that signals are noticed
        self._raise_failure()
        if not self._opened:
            raise InputError(f"{self.shown} was stopped before its first frame")
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join(0.5)  # it may wait for data that never comes; it dies with the process

    def __iter__(self) -> Iterator[Frame]:
        rgb = self._format.rgb
        first = seconds = Fraction(0)
        begun = False
        while (item := self._take()) is not None:
            number, arrival, picture = item
            stamp = self._stamp(picture)
            if not begun:
                begun, first = True, stamp or first
            elif stamp is not None and stamp - first > seconds:
                seconds = stamp - first
            else:
                seconds = seconds + 1 / self.rate
            deep = partial(rgb, picture, "rgb48le") if self.depth > 8 else None
            self._pending.append((number, arrival))
            yield Frame(number, rgb(picture), f"{number:07d}", seconds, deep)

    @staticmethod
    def _stamp(picture: VideoFrame) -> Fraction | None:
        if picture.pts is None or picture.time_base is None:
            return None
        return picture.pts * picture.time_base

    def stop(self) -> None:
        """End the iteration with the frames handed out so far; safe in a signal handler."""
        self.stopped = True  # no lock: the handler may run while this very thread holds it

    def delivered(self) -> None:
        """The oldest frame handed out is finished: measure its delay."""
        number, arrival = self._pending.popleft()
        self.delay.add(self.num_read - 1 - number, time.monotonic() - arrival)

    def record(self) -> dict[str, Any]:
        """What the record of a run says of a live one."""
        return {
            "stopped": self.stopped,
            "ended_by": self.ended_by,
            "when_behind": self.when_behind,
            "queue": self._size,
            "pixel_format": self._raw and self._raw.pixel_format,
            "num_read": self.num_read,
            "num_dropped": self.num_dropped,
            "delay": self.delay.record(),
        }

    @property
    def shown(self) -> str:
        """The name as it may be printed: without a password."""
        return "standard input" if self.name == STDIN else without_password(self.name)

    def _take(self) -> tuple[int, float, VideoFrame] | None:
        with self._changed:
            while not self.stopped:
                if self._queue:
                    item = self._queue.popleft()
                    self._changed.notify_all()
                    return item
                if self._ended:
                    self._raise_failure()
                    return None
                self._changed.wait(0.1)
        return None

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    # What follows runs in the thread.

    def _run(self) -> None:
        try:
            with self._open() as container:
                self._read(container)
        except av.FFmpegError as error:
            reason = str(error.strerror or error).lower()
            if self._opened:
                self.ended_by = reason
                if self.name == STDIN:
                    self._met_damage()
            else:
                self._failure = InputError(self._cannot_open(reason))
        except BaseException as error:  # raised again by the iteration
            self._failure = error
        finally:
            with self._changed:
                if not self._opened and self._failure is None:
                    self._failure = InputError(f"{self.shown} holds no frames")
                self._ended = True
                self._changed.notify_all()

    def _cannot_open(self, reason: str) -> str:
        if self.name == STDIN:
            return (
                f"{self.shown} is neither y4m nor another video ({reason}): for raw frames give "
                "--size WIDTHxHEIGHT and --pixel-format"
            )
        return f"{self.shown} cannot be opened ({reason}): check that it is there and sends video"

    def _open(self) -> InputContainer:
        if self.name == STDIN:
            return open_pipe(self._stdin, self._raw)
        if self.name.startswith("camera:"):
            return self._open_camera(self.name.removeprefix("camera:"))
        # UDP loses packets without a word.
        options = {"rtsp_transport": "tcp"} if self.name.startswith("rtsp") else {}
        timeout = (_OPEN_TIMEOUT, _READ_TIMEOUT)
        return open_input(self.name, options=options, timeout=timeout)

    def _open_camera(self, which: str) -> InputContainer:
        system = platform.system()
        kind = {"Linux": "v4l2", "Darwin": "avfoundation", "Windows": "dshow"}.get(system)
        known = {name for names in av.formats_available for name in names.split(",")}
        if kind is None or kind not in known:
            raise InputError(
                f"cameras cannot be read on {system} here", "pipe frames in instead (-)"
            )
        device = which
        if system == "Linux":
            device = f"/dev/video{which}" if which.isdigit() else which
            if not Path(device).exists():
                raise InputError(f"{self.name}: there is no {device}", "check that it is connected")
        elif system == "Windows":
            device = f"video={which}"
        return av.open(device, "r", format=kind)

    def _read(self, container: InputContainer) -> None:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream) or stream.codec_context is None:
            raise InputError(f"{self.shown} holds no picture that can be decoded", "send video")
        context = stream.codec_context
        check_pixels(self.shown, context.width, context.height, self._max_pixels)
        context.options = {"max_pixels": str(self._max_pixels)}
        stream.thread_type = "SLICE"  # threads by frame would hold frames back
        pictures = self._decoded(container, stream)
        for picture in deinterlaced(pictures, stream) if self._deinterlace else pictures:
            if not self._opened:
                self._describe(PictureFormat(stream, picture))
            if (picture.width, picture.height) != self._format.coded_size:
                self.ended_by = f"size changed to {picture.width}x{picture.height}"
                return
            if not self._put(picture):
                return

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        end = 0
        for packet in container.demux(stream):
            end = max(end, (packet.pos or 0) + packet.size)
            try:
                yield from packet.decode()
            except av.InvalidDataError:  # lost on the way; the next key frame mends it
                if self._opened:
                    self._met_damage()
        if self._opened and bytes_behind(container, end) > 0:  # a part of a frame
            self._met_damage()

    def _met_damage(self) -> None:
        self.damage.decoded = self.num_read
        self.damage.met(self.num_read / self.rate)

    def _describe(self, form: PictureFormat) -> None:
        self._format = form
        self.width, self.height, self.rate = form.width, form.height, form.rate
        self.time_base, self.pixel_aspect = form.time_base, form.pixel_aspect
        self.color, self.depth = form.color, form.depth

    def _put(self, picture: VideoFrame) -> bool:
        """False once nobody wants frames any more."""
        with self._changed:
            while len(self._queue) >= self._size and self.when_behind == "wait":
                if self._ended or self.stopped:
                    return False
                self._changed.wait(0.1)
            if len(self._queue) >= self._size:
                self._queue.popleft()
                self.num_dropped += 1
            self._queue.append((self.num_read, time.monotonic(), picture))
            self.num_read += 1
            self._opened = True
            self._changed.notify_all()
            return not (self._ended or self.stopped)
