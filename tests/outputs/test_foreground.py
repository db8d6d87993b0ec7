"""The colours of soft edges are the object's own."""

import cv2
import numpy as np
import pytest

from threedcseg.outputs.foreground import foreground_colors


def blend(depth: type) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A composite with soft edges, its alpha and the object's colours, of smooth textures."""
    most = np.iinfo(depth).max
    rng = np.random.default_rng(0)
    object, background = (
        cv2.resize(rng.uniform(low, low + 0.3, (6, 8, 3)).astype(np.float32), (320, 240))
        for low in (0.1, 0.6)
    )
    alpha = np.zeros((240, 320), np.uint8)
    cv2.circle(alpha, (160, 120), 60, 255, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 4)
    share = alpha[..., None] / np.float32(255)
    image = np.rint(most * (share * object + (1 - share) * background)).astype(depth)
    return image, alpha, object


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_the_old_background_is_gone_from_the_rim(depth: type) -> None:
    image, alpha, object = blend(depth)
    colors = foreground_colors(image, alpha)
    rim = (alpha > 10) & (alpha < 245)
    before, after = (
        np.abs(each / np.iinfo(depth).max - object)[rim].mean() for each in (image, colors)
    )
    assert colors.dtype == depth and after < before / 5, (before, after)
    assert (colors[alpha == 255] == image[alpha == 255]).all(), "what is opaque stays"
    assert (colors[alpha == 0] == image[alpha == 0]).all()


def test_the_reach_around_the_object_has_its_colours() -> None:
    image, alpha, object = blend(np.uint8)
    near = (cv2.dilate(alpha, np.ones((9, 9), np.uint8)) > 0) & (alpha == 0)
    before, after = (
        np.abs(foreground_colors(image, alpha, reach) / 255 - object)[near].mean()
        for reach in (0, 16)
    )
    assert after < before / 3


def test_a_hard_edge_keeps_its_picture() -> None:
    image, alpha, _ = blend(np.uint8)
    assert foreground_colors(image, np.where(alpha > 127, 255, 0).astype(np.uint8), 16) is image
