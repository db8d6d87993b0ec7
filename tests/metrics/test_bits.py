import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from plain_metrics import benchmark

from threedcseg.metrics.bits import dilate, pack, stride_for

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40))


def unpack(bits: int, shape: tuple[int, int], stride: int) -> np.ndarray:
    pixels = [[bits >> y * stride + x & 1 for x in range(shape[1])] for y in range(shape[0])]
    return np.array(pixels, bool)


@given(masks, st.integers(0, 12))
def test_packing_keeps_every_pixel_and_sets_nothing_in_the_gaps(mask, reach):
    stride = stride_for(mask.shape[1], reach)
    bits = pack(mask, stride)
    assert (unpack(bits, mask.shape, stride) == mask).all()
    assert bits.bit_count() == mask.sum()


@given(masks, st.integers(0, 12))
def test_dilation_is_that_with_a_disk(mask, radius):
    stride = stride_for(mask.shape[1], radius)
    dilated = unpack(dilate(pack(mask, stride), stride, radius), mask.shape, stride)
    assert (dilated == benchmark.dilate_2016(mask, radius)).all()
    assert (dilated == benchmark.dilate_2017(mask, radius)).all()


def test_a_gap_as_wide_as_the_radius_keeps_rows_apart():
    mask = np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], bool)
    stride = stride_for(3, 5)  # the narrowest that there is
    assert stride == 8
    dilated = unpack(dilate(pack(mask, stride), stride, 1), mask.shape, stride)
    assert dilated.astype(int).tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
