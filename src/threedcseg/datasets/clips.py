"""Training clips from sequences and stills: item ``i`` is a pure function of ``(seed, i)``.

So a resumed or sharded run draws exactly the clips that an unbroken one would have drawn, and no
random state needs to be carried along.
"""

from collections.abc import Sequence as Items
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from threedcseg.clips.sampling import sample_indices
from threedcseg.datasets.augmentation import Augmentation, photometric, random_crop
from threedcseg.datasets.sequence import Sequence, read_frame, read_mask
from threedcseg.datasets.synthesis import Motion, moving_object, moving_still

Clip = tuple[np.ndarray, np.ndarray]  # frames (T, H, W, 3) uint8, masks (T, H, W) uint8 {0, 255}


@dataclass(frozen=True)
class VideoClips:
    """Clips of annotated video, sampled as in section 4.2.

    ``spans``: the values of S to choose from for each clip; ``reverse``: probability of playing
    the clip backwards.
    """

    sequences: Items[Sequence]
    spans: tuple[int, ...] = (32,)
    reverse: float = 0.0

    def draw(
        self,
        clip_length: int,
        size: tuple[int, int],
        augmentation: Augmentation,
        rng: np.random.Generator,
    ) -> Clip:
        sequence = self.sequences[int(rng.integers(len(self.sequences)))]
        annotated = [i for i, mask in enumerate(sequence.masks) if mask is not None]
        span = int(rng.choice(self.spans))
        chosen = [annotated[i] for i in sample_indices(len(annotated), clip_length, span, rng)]
        if rng.random() < self.reverse:
            chosen.reverse()
        crop = None
        frames, masks = [], []
        for index in chosen:
            mask_path = sequence.masks[index]
            assert mask_path is not None
            image, mask = read_frame(sequence.frames[index], size[0]), read_mask(mask_path)
            if mask.shape != image.shape[:2]:
                mask = cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_AREA)
            crop = crop or random_crop(mask.shape, size, augmentation, rng)
            frames.append(crop.apply(image))
            masks.append(crop.apply_mask(mask))
        return np.stack(frames), np.stack(masks)


@dataclass(frozen=True)
class SyntheticClips:
    """Clips made from stills: the whole still moves or, with probability ``separate``, its object
    moves over another still that moves differently."""

    stills: Items[Sequence]
    motion: Motion = Motion()
    separate: float = 0.0

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
        still = self.stills[int(rng.integers(len(self.stills)))]
        assert still.masks[0] is not None
        image, mask = read_frame(still.frames[0]), read_mask(still.masks[0])
        if mask.shape != image.shape[:2]:
            mask = cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_AREA)
        crop = random_crop(mask.shape, size, augmentation, rng)
        return crop.apply(image), crop.apply_mask(mask)


class ClipDataset(Dataset[tuple[Tensor, Tensor]]):
    """Endless training clips drawn from weighted sources.

    Item ``i``: frames ``(3, T, H, W)`` uint8 and masks ``(1, T, H, W)`` uint8 {0, 255}.
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
