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
from threedcseg.datasets.memory import MaskMemory
from threedcseg.datasets.sequence import VOID, Sequence, foreground, is_reduced, read_frame
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
    memory: MaskMemory = field(default_factory=MaskMemory, compare=False)

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
        drawn: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for index in chosen:
            if index not in drawn:  # a short video's last frame comes several times
                image, mask = _read_pair(sequence, index, size[0], self.memory, (number, index))
                crop = crop or random_crop(image.shape[:2], size, augmentation, rng)
                drawn[index] = crop.apply(image), _crop_mask(crop, mask, image.shape)
        frames, masks = zip(*(drawn[index] for index in chosen), strict=True)
        return np.stack(frames), np.stack(masks)


@dataclass(frozen=True)
class SyntheticClips:
    """Clips made from stills: the whole still moves or, with probability ``separate``, its object
    moves over another still that moves differently.

    Void pixels count as background. Raises `InputError` for no stills, or one without a mask.
    """

    stills: Items[Sequence]
    motion: Motion = Motion()
    separate: float = 0.0
    memory: MaskMemory = field(default_factory=MaskMemory, compare=False)

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
        image, mask = _read_pair(self.stills[number], 0, None, self.memory, number)
        crop = random_crop(image.shape[:2], size, augmentation, rng)
        return crop.apply(image), _crop_mask(crop, mask, image.shape)


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
    sequence: Sequence,
    index: int,
    max_short_edge: int | None,
    memory: MaskMemory,
    key: Hashable,
) -> tuple[np.ndarray, np.ndarray]:
    """A frame, at reduced size where possible, and its mask at full size."""
    path, annotation = sequence.frames[index], sequence.masks[index]
    assert annotation is not None
    image, mask = read_frame(path, max_short_edge), memory.read(key, annotation)
    if not is_reduced(image.shape, mask.shape):
        raise InputError(
            f"{annotation}: the mask is {mask.shape[1]}x{mask.shape[0]}, its frame {path.name} of "
            "another size; make them alike or leave the frame out"
        )
    return image, mask


def _crop_mask(crop: Crop, mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """``mask`` cropped like a frame that was decoded at ``shape``; void pixels stay void."""

    def cropped(binary: np.ndarray) -> np.ndarray:
        if binary.shape != shape[:2]:
            binary = cv2.resize(binary, shape[1::-1], interpolation=cv2.INTER_AREA)
        return crop.apply_mask(binary)

    void = mask == VOID
    if not void.any():
        return cropped(mask)
    out = cropped(np.where(void, np.uint8(0), mask))
    out[cropped(foreground(void)) > 0] = VOID
    return out


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
