"""What a stranger sends: is it a video, and one that is not too much?"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import av

from threedcseg.errors import InputError
from threedcseg.video.frame import FrameSource
from threedcseg.video.kinds import VIDEO_ENDINGS
from threedcseg.video.opening import open_input
from threedcseg.video.paths import file_name
from threedcseg.video.reader import VideoReader

MAX_PIXELS = 4096 * 2304  # of a frame: more would need gigabytes for a clip


@dataclass(frozen=True)
class Limits:
    """What one video may be, and how long its results are kept."""

    max_seconds: float = 60
    max_megabytes: float = 200
    keep_minutes: float = 30

    def check(self) -> None:
        """Raise `InputError` for values that cannot work."""
        for name, value in vars(self).items():
            if not 0 < value < float("inf"):
                option = "--" + name.replace("_", "-")
                raise InputError(f"{option} {value:g} is out of range", "give more than 0")

    @property
    def max_bytes(self) -> int:
        return int(self.max_megabytes * 1e6)

    def check_bytes(self, num_bytes: int) -> None:
        """Raise `InputError` for a file that is too large."""
        if num_bytes > self.max_bytes:
            raise InputError(
                f"This file is larger than {self.max_megabytes:g} MB, the most this page takes",
                "use a shorter or smaller one",
            )

    def check_seconds(self, seconds: float) -> None:
        """Raise `InputError` for a video that is too long."""
        if seconds > self.max_seconds:
            raise InputError(
                f"This video is longer than {self.max_seconds:g} seconds, the most this page takes",
                "use a part of it",
            )


@dataclass(frozen=True)
class VideoFacts:
    """What is known of a video before it is read: pixels, frames a second, estimated frames."""

    width: int
    height: int
    rate: float
    num_frames: int | None


def shown_name(name: str) -> str:
    """What a file calls itself, as one short line; never used as a path."""
    name = re.split(r"[/\\]", name)[-1]
    return "".join(c for c in name if c.isprintable())[-60:].strip() or "video"


def safe_stem(name: str) -> str:
    """The name without its ending, of letters, digits, dots, dashes and underscores only.

    >>> safe_stem("../my dog.mp4")
    'my_dog'
    """
    return file_name(Path(shown_name(name)).stem)


def safe_name(name: str) -> str:
    """`safe_stem` with the ending, if that is one of a video's."""
    suffix = Path(shown_name(name)).suffix.lower()
    return safe_stem(name) + (suffix if suffix in VIDEO_ENDINGS else "")


def local_file(text: str) -> Path:
    """The video on this machine that its user means: a whole path, perhaps in quotes, from ``~`` on
    or as a link (``file://``). Raises `InputError` for anything else."""
    text = text.strip().strip("'\"")
    try:
        if text.startswith("file:"):
            text = url2pathname(urlsplit(text).path)
        path = Path(text).expanduser()
        found = path.is_file()
    except (OSError, RuntimeError, ValueError):  # too long, no such user, a byte 0, no address
        found = False
    if not found:
        raise InputError(f"{text!r} is not a file on this computer", "give its whole path")
    if not path.is_absolute():
        raise InputError(f"{text} is not a whole path", "begin at the root, or at ~")
    return path


def check_video(path: Path, name: str, limits: Limits) -> VideoFacts:
    """Look into an upload; raises `InputError` in words that speak of ``name``, not of ``path``."""
    try:
        open_input(str(path)).close()
    except av.FFmpegError:
        raise InputError(
            f"{name} is not a video that can be read here", "use an MP4, MOV, MKV, WebM or AVI file"
        ) from None
    with VideoReader(path, name) as video:
        return _check(video, limits)


def _check(video: FrameSource, limits: Limits) -> VideoFacts:
    if video.width * video.height > MAX_PIXELS:
        raise InputError(
            f"Its frames are {video.width}x{video.height} pixels, more than the 4096x2304 that "
            "this page takes",
            "scale it down",
        )
    if video.num_frames is not None:
        limits.check_seconds(float(video.num_frames / video.rate))
    return VideoFacts(video.width, video.height, float(video.rate), video.num_frames)
