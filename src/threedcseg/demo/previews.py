"""Small pictures of the frames and of what was found in them, for the page to put together."""

from pathlib import Path

import cv2
import numpy as np

from threedcseg.outputs.edges import hard_alpha, soft_alpha
from threedcseg.outputs.formats import SegmentedFrame
from threedcseg.outputs.regions import nearest_number, number_map

LONG_EDGE = 960  # pixels
JPEG_QUALITY = 82
MOST_OBJECTS = 255


class PreviewWriter:
    """Writes ``00000.jpg``, the frame, and ``00000.png``, its masks, of each frame.

    The PNG is RGB: red is the mask (0, 255), green the alpha of soft edges, blue the number of the
    object that is nearest, up to 255, where there is any of these.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0  # not the frame's own number, which may leave lost frames out
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, result: SegmentedFrame) -> None:
        picture = _shrink(result.frame.image)
        numbers = _numbers(result)
        alphas = hard_alpha(result.mask), soft_alpha(result.probabilities)
        masks = _shrink(np.dstack([*alphas, numbers]))
        masks[..., 0] = np.where(masks[..., 0] > 127, 255, 0)
        masks[..., 2] = _shrink(numbers, cv2.INTER_NEAREST)
        masks[..., 2][(masks[..., 0] == 0) & (masks[..., 1] == 0)] = 0
        path = self._folder / f"{self._count:05d}"
        self._count += 1
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        path.with_suffix(".jpg").write_bytes(_encode(".jpg", picture, quality))
        path.with_suffix(".png").write_bytes(_encode(".png", masks))


def _numbers(result: SegmentedFrame) -> np.ndarray:
    """``(H, W)`` uint8: the number of the nearest object, 0 where that is above 255."""
    shape = result.mask.shape
    if len(result.objects) <= 1:  # near or far, it is the same
        number = result.objects[0].track if result.objects else 0
        return np.full(shape, 0 if number > MOST_OBJECTS else number, np.uint8)
    nearest = nearest_number(number_map(result.objects, *shape))
    return np.where(nearest > MOST_OBJECTS, 0, nearest).astype(np.uint8)


def _shrink(image: np.ndarray, method: int = cv2.INTER_AREA) -> np.ndarray:
    height, width = image.shape[:2]
    scale = LONG_EDGE / max(height, width)
    if scale >= 1:
        return image.copy()
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=method)


def _encode(extension: str, rgb: np.ndarray, options: list[int] | None = None) -> bytes:
    _, data = cv2.imencode(extension, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options or [])
    return data.tobytes()
