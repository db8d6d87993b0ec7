"""Random crop, scale, flip and photometric change of a training clip, the same in every frame."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes.

    ``scale``: the crop's share of the frame's largest crop of the wanted shape, (low, high);
    ``stretch``: change of aspect ratio; ``flip``: probability; ``brightness``, ``contrast``,
    ``saturation``: relative amounts; ``gray``, ``blur``: probabilities.
    """

    scale: tuple[float, float] = (0.5, 1.0)
    stretch: float = 0.1
    flip: float = 0.5
    brightness: float = 0.25
    contrast: float = 0.25
    saturation: float = 0.3
    gray: float = 0.05
    blur: float = 0.1


@dataclass(frozen=True)
class Crop:
    """A rectangle of the source, in pixels, brought to ``(height, width)`` and maybe mirrored."""

    top: float
    left: float
    rows: float
    columns: float
    height: int
    width: int
    mirrored: bool

    def apply(self, image: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """``(H, W, ...)`` uint8 to ``(height, width, ...)``; outside the source is reflected.

        Written to ``out`` if given.
        """
        sy, sx = self.height / self.rows, self.width / self.columns
        if self.mirrored:
            matrix = np.array([[-sx, 0, self.width - 1 + sx * self.left], [0, sy, -sy * self.top]])
        else:
            matrix = np.array([[sx, 0, -sx * self.left], [0, sy, -sy * self.top]])
        if min(sx, sy) < 0.6:  # shrinking by much: average first, or thin things alias
            image = cv2.blur(image, (round(1 / sx) | 1, round(1 / sy) | 1))
        return cv2.warpAffine(
            image,
            matrix,
            (self.width, self.height),
            dst=out,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )

    def apply_mask(self, mask: np.ndarray) -> np.ndarray:
        """The same for a mask {0, 255}, which stays binary."""
        return cv2.threshold(self.apply(mask), 127, 255, cv2.THRESH_BINARY)[1]


def random_crop(
    source: tuple[int, int],
    size: tuple[int, int],
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> Crop:
    """A random `Crop` of frames of ``source`` (height, width) to ``size`` (height, width)."""
    height, width = size
    stretch = np.exp(rng.uniform(-augmentation.stretch, augmentation.stretch))
    aspect = width / height * stretch
    largest_rows = min(source[0], source[1] / aspect)
    rows = largest_rows * rng.uniform(*augmentation.scale)
    columns = rows * aspect
    return Crop(
        top=rng.uniform(0, source[0] - rows),
        left=rng.uniform(0, source[1] - columns),
        rows=rows,
        columns=columns,
        height=height,
        width=width,
        mirrored=bool(rng.random() < augmentation.flip),
    )


def photometric(
    frames: np.ndarray, augmentation: Augmentation, rng: np.random.Generator
) -> np.ndarray:
    """``(T, H, W, 3)`` uint8 to the same with one random change of light and colour."""
    low, high = 1 - augmentation.contrast, 1 + augmentation.contrast
    gain = rng.uniform(low, high, 1) * rng.uniform(0.95, 1.05, 3)
    offset = 255 * rng.uniform(-augmentation.brightness, augmentation.brightness) / 2
    levels = np.arange(256, dtype=np.float32)[:, None]
    table = np.clip((levels - 128) * gain + 128 + offset, 0, 255).astype(np.uint8)  # (256, 3)
    keep = (
        0.0
        if rng.random() < augmentation.gray
        else rng.uniform(1 - augmentation.saturation, 1 + augmentation.saturation)
    )
    out = np.empty_like(frames)
    for frame, changed in zip(frames, out, strict=True):  # one at a time: it stays in the cache
        colours = cv2.LUT(frame, table[None]).astype(np.float32)
        luma = (colours @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
        colours -= luma
        colours *= keep
        colours += luma
        changed[:] = np.clip(colours, 0, 255, out=colours)
    if rng.random() < augmentation.blur:
        sigma = rng.uniform(0.4, 1.5)
        out = np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in out])
    return out
