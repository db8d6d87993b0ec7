"""One still image, of any kind Pillow or FFmpeg opens, as 8-bit RGB."""

from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from PIL import ImageOps, UnidentifiedImageError

from threedcseg.errors import InputError
from threedcseg.video.opening import open_input
from threedcseg.video.picture import PictureFormat
from threedcseg.video.size import MAX_PIXELS, check_pixels, open_image


def read_image(
    path: str | Path, max_short_edge: int | None = None, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Read an image as ``(H, W, 3)`` uint8 RGB, upright as its EXIF orientation says.

    Gray and palette images become RGB, alpha is dropped over the plain colour, 16 bits a channel
    are scaled to 8. With ``max_short_edge``, JPEGs are decoded at half, a quarter or an eighth of
    their size as long as the short edge stays at least that long, which is faster. Pillow rather
    than OpenCV, since OpenCV returns damaged files half gray and says nothing.

    Raises:
        InputError: missing, unreadable, damaged, of more than ``max_pixels``, or 32 bits a channel
            (whose range is unknown).
    """
    try:
        with open_image(path, max_pixels) as image:
            if max_short_edge is not None:
                image.draft(None, (max_short_edge, max_short_edge))
            ImageOps.exif_transpose(image, in_place=True)
            if image.mode.startswith("I;16"):
                return _rgb_of_16_bits(np.asarray(image))
            if image.mode == "I":  # how older Pillow opens 16-bit PNG
                values = np.asarray(image)
                if values.min() >= 0 and values.max() <= 65535:
                    return _rgb_of_16_bits(values)
            if image.mode in ("I", "F"):
                raise InputError(
                    f"{path} has 32 bits a channel, expected 8 or 16", "save it as an 8-bit PNG"
                )
            return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", "check the name") from None
    except PermissionError:
        raise InputError(f"{path} may not be read", "change its permissions") from None
    except (OSError, SyntaxError, ValueError, TypeError, EOFError) as error:  # Pillow's decoders
        if not isinstance(error, UnidentifiedImageError):
            raise InputError(
                f"{path} cannot be read as an image ({error})", "replace or remove it"
            ) from None
    return _read_by_ffmpeg(Path(path), max_pixels)


def _read_by_ffmpeg(path: Path, max_pixels: int) -> np.ndarray:
    """What Pillow does not know: EXR (shown as sRGB), DPX, HEIC of one piece."""
    try:
        with path.open("rb") as file, open_input(file, stills=True) as container:
            streams = container.streams.video
            if any(stream.disposition & Disposition.dependent for stream in streams):
                raise InputError(
                    f"{path} is a photo in tiles (HEIC), which cannot be read here",
                    "save it as JPEG or PNG",
                )
            stream = streams[0]
            check_pixels(path, stream.codec_context.width, stream.codec_context.height, max_pixels)
            if stream.codec_context.name == "exr":  # whose light is linear
                stream.codec_context.options = {"apply_trc": "iec61966_2_1"}
            frame = next(container.decode(stream))
            return PictureFormat(stream, frame).rgb(frame)
    except InputError:
        raise
    except (av.FFmpegError, IndexError, StopIteration, ValueError):
        raise InputError(
            f"{path} cannot be read as an image (not an image)", "replace or remove it"
        ) from None


def _rgb_of_16_bits(gray: np.ndarray) -> np.ndarray:
    """``(H, W)`` values 0 to 65535 to ``(H, W, 3)`` uint8, rounded."""
    gray8 = ((gray.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(gray8[..., None], 3, axis=2)
