"""How large a frame may be, told by its header before memory is taken for it."""

from pathlib import Path

from PIL import Image

from threedcseg.errors import InputError

# Pillow's own limit, one for the whole process, would be in the way of one that was raised: images
# are opened by `open_image`.
Image.MAX_IMAGE_PIXELS = None

MAX_PIXELS = 2**27
"""Of a frame, 16384x8192: more than any camera's; `--max-pixels` raises it."""
_BYTES = 24  # a pixel takes, at most, with all that is read ahead and waits to be written


def check_pixels(shown: object, width: int, height: int, most: int = MAX_PIXELS) -> None:
    """Raise `InputError` for a frame of more than ``most`` pixels."""
    if width * height > most:
        raise InputError(
            f"{shown} is {width}x{height}, which takes some {width * height * _BYTES / 1e9:.1f} GB "
            f"of memory, expected at most {most / 1e6:.0f} million pixels a frame",
            f"scale it down, or give 3dcseg segment --max-pixels {width * height}",
        )


def open_image(path: str | Path, most: int = MAX_PIXELS) -> Image.Image:
    """``Image.open``, of which only the header is read, and `check_pixels`."""
    image = Image.open(path)
    check_pixels(path, *image.size, most)
    return image
