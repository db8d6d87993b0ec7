"""Where maps and ground truth of every kind are foreground: above, not at."""

import numpy as np
import pytest

from threedcseg.metrics.maps import to_foreground, to_mask


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.49, 0.5, 0.51]], np.float32), [False, False, True]),
        (np.array([[127, 128, 255]], np.uint8), [False, True, True]),
        (np.array([[32767, 32768, 65535]], np.uint16), [False, True, True]),
        (np.array([[False, True]]), [False, True]),
    ],
)
def test_a_mask_is_above_one_half(values, expected):
    assert to_mask(values).tolist() == [expected]


def test_a_mask_is_above_the_threshold():
    at = np.float32(0.25)
    values = np.array([[at, np.nextafter(at, np.float32(1))]])
    assert to_mask(values, threshold=0.25).tolist() == [[False, True]]
    levels = np.array([[50, 51, 52]], np.uint8)  # 0.2 of 255 is 51
    assert to_mask(levels, threshold=0.2).tolist() == [[False, False, True]]


def test_void_is_no_foreground():
    assert to_foreground(np.array([[0, 127, 255]], np.uint8)).tolist() == [[False, False, True]]
