"""Training clips from sequences and stills: item ``i`` is a pure function of ``(seed, i)``.

So a resumed or sharded run draws exactly the clips that an unbroken one would have drawn, and no
random state needs to be carried along.
"""

from collections.abc import Hashable
from collections.abc import Sequence as Items
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from threedcseg.clips.sampling import sample_indices
from threedcseg.datasets.augmentation import Augmentation, Crop, photometric, random_crop
from threedcseg.datasets.memory import RunMemory
from threedcseg.datasets.sequence import (
    VOID,
    Sequence,
    foreground,
    is_reduced,
    read_frame,
    read_mask,
)
from threedcseg.datasets.synthesis import Motion, moving_object, moving_still
from threedcseg.errors import InputError

Clip = tuple[np.ndarray, np.ndarray]
"""Frames ``(T, H, W, 3)`` uint8 and masks ``(T, H, W)`` uint8 {0, VOID, 255}."""


@dataclass(frozen=True)
class VideoClips:
    """Clips of annotated video, sampled as in section 4.2 among the frames that have a mask.

    ``spans``: the values of S to choose from for each clip; ``reverse``: probability of playing
    the clip backwards. Raises `InputError` for no sequences, or one without any mask.
    """

    sequences: Items[Sequence]
    spans: tuple[int, ...] = (32,)
    reverse: float = 0.0
    memory: RunMemory = field(default_factory=RunMemory, compare=False)

    def __post_init__(self) -> None:
        _check_annotated(self.sequences)

    def draw(
        self,
        clip_length: int,
        size: tuple[int, int],
        augmentation: Augmentation,
        rng: np.random.Generator,
    ) -> Clip:
        number = int(rng.integers(len(self.sequences)))
        sequence = self.sequences[number]
        annotated = [i for i, mask in enumerate(sequence.masks) if mask is not None]
        span = int(rng.choice(self.spans))
        chosen = [annotated[i] for i in sample_indices(len(annotated), clip_length, span, rng)]
        if rng.random() < self.reverse:
            chosen.reverse()
        crop = None
        frames = np.empty((clip_length, *size, 3), np.uint8)
        masks = np.empty((clip_length, *size), np.uint8)
        for t, index in enumerate(chosen):
            earlier = chosen.index(index)
            if earlier < t:  # a video's last frame fills up clips that are too short
                frames[t], masks[t] = frames[earlier], masks[earlier]
                continue
            image, layers = _read_pair(sequence, index, size[0], self.memory, (number, index))
            crop = crop or random_crop(image.shape[:2], size, augmentation, rng)
            crop.apply(image, out=frames[t])
            masks[t] = _crop_layers(crop, layers)
        return frames, masks


@dataclass(frozen=True)
class SyntheticClips:
    """Clips made from stills: the whole still moves or, with probability ``separate``, its object
    moves over another still that moves differently.

    Void pixels count as background. Raises `InputError` for no stills, or one without a mask.
    """

    stills: Items[Sequence]
    motion: Motion = Motion()
    separate: float = 0.0
    memory: RunMemory = field(default_factory=RunMemory, compare=False)

    def __post_init__(self) -> None:
        _check_annotated(self.stills)

    def draw(
        self,
        clip_length: int,
        size: tuple[int, int],
        augmentation: Augmentation,
        rng: np.random.Generator,
    ) -> Clip:
        image, mask = self._still(size, augmentation, rng)
        if rng.random() >= self.separate:
            return moving_still(image, mask, clip_length, self.motion, rng)
        background, _ = self._still(size, augmentation, rng)
        return moving_object(image, mask, background, clip_length, self.motion, self.motion, rng)

    def _still(
        self, size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        number = int(rng.integers(len(self.stills)))
        image, layers = _read_pair(self.stills[number], 0, None, self.memory, number)
        crop = random_crop(image.shape[:2], size, augmentation, rng)
        return crop.apply(image), _crop_layers(crop, layers)


def _check_annotated(sequences: Items[Sequence]) -> None:
    if not sequences:
        raise InputError("no sequences to draw clips from; check the data root and the split")
    for sequence in sequences:
        if not any(mask is not None for mask in sequence.masks):
            raise InputError(
                f"sequence {sequence.name!r}: none of its {len(sequence.frames)} frames has a "
                "mask; complete the masks or leave it out of the split"
            )


def _read_pair(
    sequence: Sequence, index: int, max_short_edge: int | None, memory: RunMemory, key: Hashable
) -> tuple[np.ndarray, np.ndarray]:
    """A frame, at reduced size where possible, and its mask's layers at the same size.

    Layers are ``(1 or 2, H, W)`` uint8: foreground and, if there are any, void pixels, as the share
    of the pixel that they cover, 0 to 255.
    """
    path, annotation = sequence.frames[index], sequence.masks[index]
    assert annotation is not None
    image = read_frame(path, max_short_edge)
    shape = image.shape[:2]

    def layers() -> np.ndarray:
        mask = read_mask(annotation)
        if not is_reduced(shape, mask.shape):
            raise InputError(
                f"{annotation}: the mask is {mask.shape[1]}x{mask.shape[0]}, its frame {path.name} "
                "of another size; make them alike or leave the frame out"
            )
        void = mask == VOID
        parts = [np.where(void, np.uint8(0), mask), foreground(void)] if void.any() else [mask]
        if mask.shape != shape:
            parts = [cv2.resize(p, shape[::-1], interpolation=cv2.INTER_AREA) for p in parts]
        return np.stack(parts)

    return image, memory.get((key, shape), layers)


def _crop_layers(crop: Crop, layers: np.ndarray) -> np.ndarray:
    """The mask {0, VOID, 255} of a crop."""
    mask = crop.apply_mask(layers[0])
    for void in layers[1:]:
        mask[crop.apply_mask(void) > 0] = VOID
    return mask


class ClipDataset(Dataset[tuple[Tensor, Tensor]]):
    """Endless training clips drawn from weighted sources.

    Item ``i``: frames ``(3, T, H, W)`` uint8 and masks ``(1, T, H, W)`` uint8 {0, 255}, `VOID`
    where the ground truth leaves a pixel open.
    """

    def __init__(
        self,
        sources: Items[tuple[float, VideoClips | SyntheticClips]],
        clip_length: int,
        size: tuple[int, int],
        augmentation: Augmentation,
        seed: int,
    ) -> None:
        weights = np.array([weight for weight, _ in sources], float)
        self.shares = weights / weights.sum()
        self.sources = [source for _, source in sources]
        self.clip_length = clip_length
        self.size = size
        self.augmentation = augmentation
        self.seed = seed

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        source = self.sources[rng.choice(len(self.sources), p=self.shares)]
        frames, masks = source.draw(self.clip_length, self.size, self.augmentation, rng)
        frames = photometric(frames, self.augmentation, rng)
        return torch.from_numpy(frames).permute(3, 0, 1, 2), torch.from_numpy(masks)[None]
