"""Is a file a still image, a video, or neither? By its content, where its name does not say."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import av
from av.container import InputContainer
from av.stream import Disposition

from threedcseg.errors import InputError, some
from threedcseg.video.opening import open_input

Kind = Literal["image", "video", "other"]

# What these names say is believed, since folders hold many; files of other names are looked into.
# fmt: off
IMAGE_ENDINGS = frozenset(
    [".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm",
     ".pnm", ".jp2", ".j2k", ".tga", ".exr", ".dpx"]
)
VIDEO_ENDINGS = frozenset(
    [".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
     ".wmv", ".flv", ".3gp", ".ogv", ".gif", ".mxf", ".vob", ".y4m"]
)
# fmt: on
_STILL_BRANDS = frozenset(["avif", "heic", "heix", "heim", "heis", "mif1", "mif2"])


def kind_of(path: Path) -> Kind:
    """What a file is; "other" where it cannot be read."""
    ending = path.suffix.lower()
    if ending in IMAGE_ENDINGS:
        return "video" if is_animated(path) else "image"
    return "video" if ending in VIDEO_ENDINGS else _looked_into(path)


def is_picture(path: Path) -> bool:
    """Whether it is the file of a still image."""
    return path.is_file() and kind_of(path) == "image"


def is_animated(path: Path) -> bool:
    """Whether it is an animated PNG or WebP, which share their names with still ones."""
    head = _head(path, 4096)
    png = head[:4] == b"\x89PNG" and b"acTL" in head.partition(b"IDAT")[0]
    return png or _is_animated_webp(head)


def is_animated_webp(path: Path) -> bool:
    """Which FFmpeg does not read, but Pillow does."""
    return _is_animated_webp(_head(path, 21))


def _is_animated_webp(head: bytes) -> bool:
    head = head.ljust(21, b"\0")
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20] & 2)


def is_still(container: InputContainer) -> bool:
    """Whether what FFmpeg opened is an image, however it is packed."""
    name = container.format.name
    if name in ("image2", "ico") or name.endswith("_pipe"):
        return True
    return container.duration is None and container.metadata.get("major_brand") in _STILL_BRANDS


def named(files: Iterable[Path]) -> str:
    """How many, and the names of the first."""
    names = [file.name for file in files]
    return f"{len(names)} file{'s' * (len(names) != 1)} ({some(names)})"


def _head(path: Path, size: int) -> bytes:
    try:
        if not path.is_file():  # a pipe, say, at which to read is to wait
            return b""
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def _looked_into(path: Path) -> Kind:
    try:
        with open_input(str(path.absolute()), stills=True) as container:
            if is_still(container):
                return "image"
            streams = container.streams.video
            cover = Disposition.attached_pic
            return "video" if any(not s.disposition & cover for s in streams) else "other"
    except (av.FFmpegError, OSError, InputError):
        return "other"
