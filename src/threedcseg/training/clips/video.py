"""Training clips of annotated video."""

from dataclasses import dataclass

import numpy as np

from threedcseg.training.clips.annotated import AnnotatedClips, Clip, crop_mask, read_annotated
from threedcseg.training.clips.augmentation import Augmentation, random_crop
from threedcseg.training.clips.sampling import sample_indices
from threedcseg.training.clips.synthetic import SyntheticClips


@dataclass(frozen=True)
class VideoClips(AnnotatedClips):
    """Clips of annotated video, sampled as in section 4.2 among the frames that have a mask.

    ``spans``: the values of S to choose from for each clip; ``reverse``: probability of playing
    the clip backwards; ``copy_paste``: probability of cutting the object out and setting it among
    the ``surroundings``.
    """

    spans: tuple[int, ...] = (32,)
    reverse: float = 0.0
    copy_paste: float = 0.0
    surroundings: SyntheticClips | None = None

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
            image, coverage = read_annotated(sequence, index, size[0], self.cache, (number, index))
            crop = crop or random_crop(image.shape[:2], size, augmentation, rng)
            crop.apply(image, out=frames[t])
            masks[t] = crop_mask(crop, coverage)
        sources = tuple(str(sequence.frames[index]) for index in dict.fromkeys(chosen))
        clip = Clip(frames, masks, sources)
        if self.surroundings is not None and rng.random() < self.copy_paste:
            return self.surroundings.around(clip, augmentation, rng)
        return clip
