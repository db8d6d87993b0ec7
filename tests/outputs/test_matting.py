"""Real matting, on composites whose alpha is known."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from threedcseg.outputs.edges import soft_alpha
from threedcseg.outputs.formats import Renderer, SegmentedFrame
from threedcseg.outputs.matting import Matting
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.frame import Frame

SIZE = 160, 240


def hairy(index: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A frame, its alpha ``(H, W)`` in [0, 1] and what a network says, which sees no hair.

    A ball with strands moves three pixels a frame over a texture.
    """
    rng = np.random.default_rng(seed)
    texture = rng.uniform(0, 90, (*SIZE, 3)).astype(np.float32)
    behind = cv2.GaussianBlur(texture, (0, 0), 2) + np.array([20, 60, 30])
    centre = np.array([80 + 3 * index, 80])
    ball, strands = (np.zeros((SIZE[0] * 4, SIZE[1] * 4), np.uint8) for _ in range(2))
    cv2.circle(ball, (4 * centre).tolist(), 120, 255, -1)
    for turn in np.linspace(0, 2 * np.pi, 40, endpoint=False):
        way = np.array([np.cos(turn), np.sin(turn)])
        ends = [np.rint(4 * (centre + far * way)).astype(int).tolist() for far in (25, 40)]
        cv2.line(strands, *ends, 255, 3)
    size = SIZE[::-1]
    alpha = cv2.resize(np.maximum(ball, strands), size, interpolation=cv2.INTER_AREA) / 255.0
    object = np.array([210, 150, 60]) + rng.normal(0, 4, (*SIZE, 3))
    frame = alpha[..., None] * object + (1 - alpha[..., None]) * behind
    frame += np.random.default_rng(index).normal(0, 1.5, frame.shape)
    seen = cv2.resize(ball, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    image = np.rint(np.clip(frame, 0, 255)).astype(np.uint8)
    return image, alpha, cv2.GaussianBlur(seen, (0, 0), 3)


def test_it_is_much_nearer_to_the_truth_and_flickers_less() -> None:
    matting = Matting()
    errors, flickers, before = [], [], None
    for index in range(4):
        image, truth, likely = hairy(index)
        made = matting.next(image, likely, index == 0)
        pair = [each / 255.0 - truth for each in (made, soft_alpha(likely))]
        errors.append([np.abs(each).sum() for each in pair])
        if before is not None:
            flickers.append([np.abs(a - b).sum() for a, b in zip(pair, before, strict=True)])
        before = pair
    matte, soft = np.mean(errors, axis=0)
    assert matte < 0.5 * soft, (matte, soft)
    matte, soft = np.mean(flickers, axis=0)
    assert matte < soft


def test_large_frames_get_the_colour_lines_of_small_ones() -> None:
    image, truth, likely = hairy(0)
    large = 1200, 800
    made = Matting().next(cv2.resize(image, large), cv2.resize(likely, large), True)
    error = np.abs(made / 255.0 - cv2.resize(truth, large)).mean()
    assert made.shape == (800, 1200) and error < 0.02


def test_the_last_frame_counts_but_after_a_cut() -> None:
    (first, _, likely), (second, _, _) = hairy(0), hairy(0)
    moving, cut, alone = Matting(), Matting(), Matting()
    noisy = np.clip(second + np.random.default_rng(9).normal(0, 6, second.shape), 0, 255)
    noisy = noisy.astype(np.uint8)
    for matting in (moving, cut):
        matting.next(first, likely, True)
    fresh = alone.next(noisy, likely, True)
    assert (cut.next(noisy, likely, True) == fresh).all()
    assert (moving.next(noisy, likely, False) != fresh).any()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (8, 8), (16, 200), (63, 700)])
def test_frames_of_every_size_and_every_map_give_an_alpha(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    matting = Matting()
    flat = np.full((*size, 3), 77, np.uint8)
    noise = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
    for image in (noise, flat):
        for likely in (np.zeros(size), np.ones(size), np.full(size, 0.5), rng.random(size)):
            made = matting.next(image, likely.astype(np.float32), False)
            assert made.shape == size and made.dtype == np.uint8
    assert not matting.next(noise, np.zeros(size, np.float32), False).any()
    assert (matting.next(noise, np.ones(size, np.float32), False) == 255).all()


def test_what_it_found_is_grown_and_feathered() -> None:
    image, _, likely = hairy(0)
    frame = Frame(0, image, "00000", Fraction(0))
    found = SegmentedFrame(frame, likely, likely > 0.5)

    def opaque(**options: int) -> int:
        renderer = Renderer(Rendering("matte", **options))
        return int((renderer.next(found, True).alpha > 127).sum())

    assert opaque(grow=-2) < opaque() < opaque(grow=2)
    assert opaque(feather=6) != opaque()
