"""Frames of a data set with their masks, as clips are made from them."""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from collections.abc import Sequence as Items
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np

from threedcseg.datasets.masks import VOID, foreground, read_mask
from threedcseg.datasets.sequence import Sequence
from threedcseg.errors import InputError
from threedcseg.training.clips.augmentation import Augmentation, Crop
from threedcseg.training.clips.mask_cache import MaskCache
from threedcseg.video.images import read_image


class Clip(NamedTuple):
    """Frames ``(T, H, W, 3)`` uint8, masks ``(T, H, W)`` uint8 {0, VOID, 255}, and the files that
    the clip was made from, each once."""

    frames: np.ndarray
    masks: np.ndarray
    sources: tuple[str, ...]


@dataclass(frozen=True)
class AnnotatedClips(ABC):
    """What clips are drawn from: sequences with masks, which are remembered once decoded.

    Raises `InputError` for no sequences, and for one without any mask.
    """

    sequences: Items[Sequence]
    cache: MaskCache = field(default_factory=MaskCache, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if not self.sequences:
            raise InputError("no sequences to draw clips from", "check the data root and the split")
        for sequence in self.sequences:
            if not any(mask is not None for mask in sequence.masks):
                raise InputError(
                    f"sequence {sequence.name!r}: none of its {len(sequence.frames)} frames has a "
                    "mask",
                    "complete the masks or leave it out of the split",
                )

    @abstractmethod
    def draw(
        self,
        clip_length: int,
        size: tuple[int, int],
        augmentation: Augmentation,
        rng: np.random.Generator,
    ) -> Clip:
        """A clip of so many frames of ``size`` (height, width)."""


def read_annotated(
    sequence: Sequence, index: int, max_short_edge: int | None, cache: MaskCache, key: Hashable
) -> tuple[np.ndarray, np.ndarray]:
    """A frame, at reduced size where possible, and the coverage of its mask at the same size.

    The coverage is ``(1 or 2, H, W)`` uint8: the share of each pixel, 0 to 255, that is foreground
    and, if there are any, void.
    """
    path, annotation = sequence.frames[index], sequence.masks[index]
    assert annotation is not None
    image = read_image(path, max_short_edge)
    shape = image.shape[:2]

    def coverage() -> np.ndarray:
        mask = read_mask(annotation)
        if not is_reduced(shape, mask.shape):
            raise InputError(
                f"{annotation}: the mask is {mask.shape[1]}x{mask.shape[0]}, its frame {path.name} "
                "of another size",
                "make them alike or leave the frame out",
            )
        void = mask == VOID
        parts = [np.where(void, np.uint8(0), mask), foreground(void)] if void.any() else [mask]
        if mask.shape != shape:
            parts = [cv2.resize(p, shape[::-1], interpolation=cv2.INTER_AREA) for p in parts]
        return np.stack(parts)

    return image, cache.get((key, shape), coverage)


def crop_mask(crop: Crop, coverage: np.ndarray) -> np.ndarray:
    """The mask {0, VOID, 255} of a crop."""
    mask = crop.apply_mask(coverage[0])
    for void in coverage[1:]:
        mask[crop.apply_mask(void) > 0] = VOID
    return mask


def is_reduced(shape: tuple[int, ...], full: tuple[int, ...]) -> bool:
    """Whether `read_image` may give a frame of size ``full`` (H, W) as one of size ``shape``."""
    return any(
        all(-(-b // factor) == a for a, b in zip(shape[:2], full[:2], strict=True))
        for factor in (1, 2, 4, 8)
    )
