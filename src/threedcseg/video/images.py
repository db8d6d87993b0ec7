"""One still image, of any kind Pillow opens, as 8-bit RGB."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from threedcseg.errors import InputError


def read_image(path: str | Path, max_short_edge: int | None = None) -> np.ndarray:
    """Read an image as ``(H, W, 3)`` uint8 RGB, upright as its EXIF orientation says.

    Gray and palette images become RGB, alpha is dropped over the plain colour, 16 bits a channel
    are scaled to 8. With ``max_short_edge``, JPEGs are decoded at half, a quarter or an eighth of
    their size as long as the short edge stays at least that long, which is faster. Pillow rather
    than OpenCV, since OpenCV returns damaged files half gray and says nothing.

    Raises:
        InputError: missing, unreadable, damaged, or 32 bits a channel (whose range is unknown).
    """
    try:
        with Image.open(path) as image:
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
    except Image.DecompressionBombError:
        raise InputError(f"{path} is too large an image", "make it smaller") from None
    except (OSError, SyntaxError, ValueError, TypeError, EOFError) as error:  # Pillow's decoders
        reason = "not an image" if "cannot identify" in str(error) else error
        raise InputError(
            f"{path} cannot be read as an image ({reason})", "replace or remove it"
        ) from None


def _rgb_of_16_bits(gray: np.ndarray) -> np.ndarray:
    """``(H, W)`` values 0 to 65535 to ``(H, W, 3)`` uint8, rounded."""
    gray8 = ((gray.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(gray8[..., None], 3, axis=2)
