"""Which frames of a sequence make a training clip (section 4.2 of the paper)."""

import numpy as np


def sample_indices(
    num_frames: int, clip_length: int, span: int, rng: np.random.Generator
) -> list[int]:
    """A random frame t, then ``clip_length - 1`` frames drawn from t+1 .. t+``span``, in order.

    ``span`` is the paper's S = 32. Where fewer frames than needed follow t, the clip is filled up
    by repeating the video's last frame.

    >>> sample_indices(3, 5, 32, np.random.default_rng(0))
    [2, 2, 2, 2, 2]
    """
    start = int(rng.integers(num_frames))
    following = np.arange(start + 1, min(start + span, num_frames - 1) + 1)
    chosen = rng.permutation(following)[: clip_length - 1]
    padding = [num_frames - 1] * (clip_length - 1 - len(chosen))
    return [start, *sorted(int(index) for index in chosen), *padding]
