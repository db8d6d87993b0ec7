"""Training clips from sequences and stills: item ``i`` is a pure function of ``(seed, i)``.

So a resumed or sharded run draws exactly the clips that an unbroken one would have drawn, and no
random state needs to be carried along.
"""

from collections.abc import Hashable
from collections.abc import Sequence as Items
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from threedcseg.datasets.sequence import (
    VOID,
    Sequence,
    foreground,
    is_reduced,
    read_frame,
    read_mask,
)
from threedcseg.errors import InputError
from threedcseg.training.clips.augmentation import Augmentation, Crop, photometric, random_crop
from threedcseg.training.clips.memory import RunMemory
from threedcseg.training.clips.sampling import sample_indices
from threedcseg.training.clips.synthesis import (
    WIGGLE,
    Layer,
    Motion,
    Scene,
    bar,
    compose,
    middle,
    motion_fields,
    moving_still,
    nearer,
    placed,
)

Clip = tuple[np.ndarray, np.ndarray]
"""Frames ``(T, H, W, 3)`` uint8 and masks ``(T, H, W)`` uint8 {0, VOID, 255}."""


@dataclass(frozen=True)
class VideoClips:
    """Clips of annotated video, sampled as in section 4.2 among the frames that have a mask.

    ``spans``: the values of S to choose from for each clip; ``reverse``: probability of playing
    the clip backwards; ``transplant``: probability of cutting the object out and setting it among
    the ``surroundings``. Raises `InputError` for no sequences, or one without any mask.
    """

    sequences: Items[Sequence]
    spans: tuple[int, ...] = (32,)
    reverse: float = 0.0
    transplant: float = 0.0
    surroundings: "SyntheticClips | None" = None
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
        if self.surroundings is not None and rng.random() < self.transplant:
            return self.surroundings.around(frames, masks, augmentation, rng)
        return frames, masks


@dataclass(frozen=True)
class SyntheticClips:
    """Clips made from stills: the whole still moves or, with probability ``separate``, its object
    moves in a ``scene`` made of other stills, which moves differently.

    Void pixels count as background. Raises `InputError` for no stills, or one without a mask.
    """

    stills: Items[Sequence]
    motion: Motion = Motion()
    separate: float = 0.0
    scene: Scene = Scene()
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
        if rng.random() >= self.separate:
            image, mask = self._still(size, augmentation, rng)
            return moving_still(image, mask, clip_length, self.motion, rng)
        image, mask = self._still(size, _whole(augmentation), rng)
        scale = rng.uniform(*self.scene.scale)
        centre = _between(middle(mask), _anywhere(size, rng), 1 - scale)
        fields = motion_fields(*size, clip_length, self.motion, rng, centre)
        thing = Layer.of_still(image, mask, placed(fields, mask, centre, scale), is_object=True)
        return self._set(thing, size, augmentation, rng)

    def around(
        self,
        frames: np.ndarray,
        masks: np.ndarray,
        augmentation: Augmentation,
        rng: np.random.Generator,
    ) -> Clip:
        """A scene around the object of a clip: ``(T, H, W, 3)`` and ``(T, H, W)`` to the same."""
        height, width = masks.shape[1:]
        soft = [cv2.GaussianBlur(foreground(mask > VOID), (3, 3), 0) for mask in masks]
        still = motion_fields(height, width, 1, Motion(0, 0, 0, 0, 0), rng) * len(frames)
        thing = Layer(list(frames), soft, still, is_object=True)
        return self._set(thing, (height, width), augmentation, rng)

    def _set(
        self,
        thing: Layer,
        size: tuple[int, int],
        augmentation: Augmentation,
        rng: np.random.Generator,
    ) -> Clip:
        """``thing`` among what stands about."""
        background, _ = self._still(size, augmentation, rng)
        fields = motion_fields(*size, len(thing.fields), self.motion, rng)
        behind, before = [], []
        for _ in range(rng.integers(self.scene.distractors + 1)):
            if rng.random() < self.scene.twins:
                t = int(rng.integers(len(thing.images)))
                image, mask = thing.images[t], thing.alphas[t]
                if rng.random() < 0.5:
                    image, mask = image[:, ::-1].copy(), mask[:, ::-1].copy()
            else:
                image, mask = self._still(size, _whole(augmentation), rng)
            moved = nearer(fields, rng.uniform(1.0, 1.3))
            if rng.random() < self.scene.wiggle:
                stirred = motion_fields(*size, len(fields), WIGGLE, rng)
                grid = motion_fields(*size, 1, Motion(0, 0, 0, 0, 0), rng)[0]
                moved = [field + stir - grid for field, stir in zip(moved, stirred, strict=True)]
            scale, centre = rng.uniform(0.3, 1.0), _anywhere(size, rng)
            behind.append(Layer.of_still(image, mask, placed(moved, mask, centre, scale)))
        for _ in range(rng.integers(self.scene.occluders + 1)):
            image, mask = self._still(size, _whole(augmentation), rng)
            moved = nearer(fields, rng.uniform(1.1, 1.8))
            if rng.random() < 0.5:
                mask = bar(*size, rng)
            else:
                moved = placed(moved, mask, _anywhere(size, rng), rng.uniform(0.15, 0.6))
            before.append(Layer.of_still(image, mask, moved))
        return compose(background, fields, [*behind, thing, *before])

    def _still(
        self, size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        number = int(rng.integers(len(self.stills)))
        image, layers = _read_pair(self.stills[number], 0, None, self.memory, number)
        crop = random_crop(image.shape[:2], size, augmentation, rng)
        return crop.apply(image), _crop_layers(crop, layers)


def _whole(augmentation: Augmentation) -> Augmentation:
    """Crops that cut off little of an object."""
    return replace(
        augmentation, scale=(max(augmentation.scale[1] - 0.1, 0.0), augmentation.scale[1])
    )


def _anywhere(size: tuple[int, int], rng: np.random.Generator) -> tuple[float, float]:
    """A point (x, y) of the frame."""
    return rng.uniform(0, size[1]), rng.uniform(0, size[0])


def _between(
    one: tuple[float, float], other: tuple[float, float], share: float
) -> tuple[float, float]:
    """The point that lies ``share`` of the way from one to the other; at most all of it."""
    share = min(max(share, 0.0), 1.0)
    return one[0] + share * (other[0] - one[0]), one[1] + share * (other[1] - one[1])


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
