"""Training clips from weighted sources: item ``i`` is a pure function of ``(seed, i)``.

So a resumed or sharded run draws exactly the clips that an unbroken one would have drawn, and no
random state needs to be carried along.
"""

from collections.abc import Sequence as Items

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from threedcseg.training.clips.annotated import AnnotatedClips
from threedcseg.training.clips.augmentation import Augmentation, photometric


class ClipDataset(Dataset[tuple[Tensor, Tensor, tuple[str, ...]]]):
    """Endless training clips drawn from weighted sources.

    Item ``i``: frames ``(3, T, H, W)`` uint8, masks ``(1, T, H, W)`` uint8 {0, 255}, `VOID` where
    the ground truth leaves a pixel open, and the files that they were made from.
    """

    def __init__(
        self,
        sources: Items[tuple[float, AnnotatedClips]],
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

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, tuple[str, ...]]:
        rng = np.random.default_rng((self.seed, index))
        source = self.sources[rng.choice(len(self.sources), p=self.shares)]
        clip = source.draw(self.clip_length, self.size, self.augmentation, rng)
        frames = torch.from_numpy(photometric(clip.frames, self.augmentation, rng))  # (T, H, W, 3)
        return frames.permute(3, 0, 1, 2), torch.from_numpy(clip.masks)[None], clip.sources
