"""The blend itself."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from threedcseg.outputs.overlay import overlay

GRAY = np.full((60, 80, 3), 100, np.uint8)


def box() -> np.ndarray:
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:50] = True
    return mask


def test_tint_inside_outline_around_nothing_outside() -> None:
    image, mask = GRAY.copy(), box()
    out = overlay(image, mask, color=(200, 0, 50), opacity=0.25)
    assert (image == GRAY).all()
    assert out.dtype == np.uint8 and out.shape == image.shape
    assert (out[25:35, 35:45] == (125, 75, 88)).all()  # 100 + 0.25 (color - 100), rounded
    assert np.abs(out[20, 32:48].astype(int) - (200, 0, 50)).max() < 30  # smoothed
    near = cv2.dilate(mask.astype(np.uint8), np.ones((7, 7))) > 0
    assert (out[~near] == image[~near]).all()


def test_by_default_half_of_the_colour_is_seen() -> None:
    assert (overlay(GRAY, box())[25:35, 35:45] == (178, 85, 105)).all()  # of 255, 70, 110


@pytest.mark.parametrize("value", [1, 255])
def test_uint8_masks_are_as_good_as_bool(value: int) -> None:
    assert (overlay(GRAY, box().astype(np.uint8) * value) == overlay(GRAY, box())).all()


def test_empty_and_full_masks() -> None:
    assert (overlay(GRAY, np.zeros((60, 80), bool)) == GRAY).all()
    assert (overlay(GRAY, np.ones((60, 80), bool), (0, 255, 0), 1.0) == (0, 255, 0)).all()


def test_zero_opacity_leaves_the_outline_only() -> None:
    out = overlay(GRAY, box(), opacity=0.0)
    assert (out[25:35, 35:45] == 100).all() and (out[20, 30:50] != 100).any()


def test_outline_grows_with_the_frame() -> None:
    def width_at(scale: int) -> int:
        mask = np.zeros((240 * scale, 320 * scale), bool)
        mask[60 * scale : 180 * scale, 80 * scale : 240 * scale] = True
        image = np.full((*mask.shape, 3), 100, np.uint8)
        return int((overlay(image, mask, (0, 0, 0), 0.0)[120 * scale] == 0).all(axis=1).sum())

    assert width_at(1) < width_at(4)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        overlay(GRAY, np.zeros((60, 81), bool))


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_any_mask_of_any_size(mask: np.ndarray) -> None:
    image = np.full((*mask.shape, 3), 7, np.uint8)
    out = overlay(image, mask, (255, 255, 255), 1.0)
    assert (out[mask] == 255).all()
