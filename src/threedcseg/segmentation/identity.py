"""Which source a result is of: where it lies, and what is in it."""

import hashlib
import os
from pathlib import Path

from threedcseg.video.paths import list_images

_BLOCK = 2**16  # bytes


def identify(given: str | Path) -> tuple[str, str | None]:
    """A source's name in records, and a digest of what it holds.

    Of a file or a folder of frames, the whole path, so that it is the same from wherever the
    command is given, and a hash of the beginning, middle and end of each file: what was moved or
    copied has it still, what was made anew has another one. Anything else (a camera, an address, a
    pipe) is called as it was given and has no digest.
    """
    path = Path(given)
    if path.is_dir():
        images = list_images(path)
        return os.path.abspath(path), _digest(images, [image.name for image in images])
    if path.is_file():
        return os.path.abspath(path), _digest([path], [])
    return str(given), None


def _digest(files: list[Path], names: list[str]) -> str:
    digest = hashlib.sha256(os.fsencode("\0".join(names)))
    for file in files:
        with file.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            digest.update(f"\0{size}\0".encode())
            for start in sorted({0, max(0, (size - _BLOCK) // 2), max(0, size - _BLOCK)}):
                opened.seek(start)
                digest.update(opened.read(_BLOCK))
    return digest.hexdigest()
