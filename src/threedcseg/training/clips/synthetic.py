"""Training clips made from stills."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from threedcseg.datasets.masks import VOID, foreground
from threedcseg.training.clips.annotated import AnnotatedClips, Clip, crop_mask, read_annotated
from threedcseg.training.clips.augmentation import Augmentation, random_crop
from threedcseg.training.clips.synthesis import (
    AT_REST,
    WIGGLE,
    Motion,
    Sprite,
    SyntheticScene,
    bar,
    compose,
    middle,
    motion_fields,
    moving_still,
    nearer,
    placed,
)


class _StillCrop(NamedTuple):
    """A crop of a still ``(H, W, 3)``, its mask ``(H, W)``, and its file."""

    image: np.ndarray
    mask: np.ndarray
    path: str


@dataclass(frozen=True)
class SyntheticClips(AnnotatedClips):
    """Clips made from stills: the whole still moves or, with probability ``separate``, its object
    moves in a ``scene`` made of other stills, which moves differently.

    Void pixels count as background. Each of the ``sequences`` is a still.
    """

    motion: Motion = Motion()
    separate: float = 0.0
    scene: SyntheticScene = SyntheticScene()

    def draw(
        self,
        clip_length: int,
        size: tuple[int, int],
        augmentation: Augmentation,
        rng: np.random.Generator,
    ) -> Clip:
        if rng.random() >= self.separate:
            still = self._still(size, augmentation, rng)
            clip = moving_still(still.image, still.mask, clip_length, self.motion, rng)
            return Clip(*clip, (still.path,))
        still = self._still(size, _whole(augmentation), rng)
        scale = rng.uniform(*self.scene.scale)
        centre = _between(middle(still.mask), _anywhere(size, rng), 1 - scale)
        fields = motion_fields(*size, clip_length, self.motion, rng, centre)
        fields = placed(fields, still.mask, centre, scale)
        thing = Sprite.of_still(still.image, still.mask, fields, is_object=True)
        return self._set(thing, (still.path,), size, augmentation, rng)

    def around(self, clip: Clip, augmentation: Augmentation, rng: np.random.Generator) -> Clip:
        """A scene around the object of a clip."""
        height, width = clip.masks.shape[1:]
        soft = [cv2.GaussianBlur(foreground(mask > VOID), (3, 3), 0) for mask in clip.masks]
        still = motion_fields(height, width, 1, AT_REST, rng) * len(clip.frames)
        thing = Sprite(list(clip.frames), soft, still, is_object=True)
        return self._set(thing, clip.sources, (height, width), augmentation, rng)

    def _set(
        self,
        thing: Sprite,
        sources: tuple[str, ...],
        size: tuple[int, int],
        augmentation: Augmentation,
        rng: np.random.Generator,
    ) -> Clip:
        """``thing``, which was made from ``sources``, among what stands about."""
        background = self._still(size, augmentation, rng)
        stills = [background]
        fields = motion_fields(*size, len(thing.fields), self.motion, rng)
        behind, before = [], []
        for _ in range(rng.integers(self.scene.distractors + 1)):
            if rng.random() < self.scene.twins:
                t = int(rng.integers(len(thing.images)))
                image, mask = thing.images[t], thing.alphas[t]
                if rng.random() < 0.5:
                    image, mask = image[:, ::-1].copy(), mask[:, ::-1].copy()
            else:
                stills.append(self._still(size, _whole(augmentation), rng))
                image, mask, _ = stills[-1]
            moved = nearer(fields, rng.uniform(1.0, 1.3))
            if rng.random() < self.scene.wiggle:
                stirred = motion_fields(*size, len(fields), WIGGLE, rng)
                grid = motion_fields(*size, 1, AT_REST, rng)[0]
                moved = [field + stir - grid for field, stir in zip(moved, stirred, strict=True)]
            scale, centre = rng.uniform(0.3, 1.0), _anywhere(size, rng)
            behind.append(Sprite.of_still(image, mask, placed(moved, mask, centre, scale)))
        for _ in range(rng.integers(self.scene.occluders + 1)):
            stills.append(self._still(size, _whole(augmentation), rng))
            image, mask, _ = stills[-1]
            moved = nearer(fields, rng.uniform(1.1, 1.8))
            if rng.random() < 0.5:
                mask = bar(*size, rng)
            else:
                moved = placed(moved, mask, _anywhere(size, rng), rng.uniform(0.15, 0.6))
            before.append(Sprite.of_still(image, mask, moved))
        frames, masks = compose(background.image, fields, [*behind, thing, *before])
        files = (*sources, *(still.path for still in stills))
        return Clip(frames, masks, tuple(dict.fromkeys(files)))

    def _still(
        self, size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator
    ) -> _StillCrop:
        number = int(rng.integers(len(self.sequences)))
        still = self.sequences[number]
        image, coverage = read_annotated(still, 0, None, self.cache, number)
        crop = random_crop(image.shape[:2], size, augmentation, rng)
        return _StillCrop(crop.apply(image), crop_mask(crop, coverage), str(still.frames[0]))


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
