"""Winograd's convolution against torch's, in float64 (the algorithm) and float32 (its errors)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from threedcseg.models.fast import winograd

CHANNELS_LAST = torch.channels_last_3d


def case(batch, frames, height, width, channels=5, outputs=3, seed=0):
    """Clip, weight, bias and residual in float64."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    clip = normal(batch, channels, frames, height, width)
    residual = normal(batch, outputs, frames, height, width)
    return clip, normal(outputs, channels, 3, 3, 3), normal(outputs), residual


@settings(max_examples=150, deadline=None)
@given(
    batch=st.integers(1, 2),
    frames=st.integers(1, 16),
    height=st.integers(1, 13),
    width=st.integers(1, 13),
    tile=st.tuples(*[st.sampled_from([2, 4])] * 3),
    tiles_per_block=st.sampled_from([1, 7, 1000]),
    fused=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)
def test_any_shape_in_float64(batch, frames, height, width, tile, tiles_per_block, fused):
    relu_input, relu, with_bias, with_residual = fused
    clip, weight, bias, residual = case(batch, frames, height, width)
    expected = F.conv3d(
        clip.relu() if relu_input else clip, weight, bias if with_bias else None, padding=1
    )
    expected = expected + residual if with_residual else expected
    expected = expected.relu() if relu else expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "TILES_PER_BLOCK", tiles_per_block)
        found = winograd.conv3d(
            clip,
            weight,
            bias if with_bias else None,
            tile,
            relu_input=relu_input,
            residual=residual if with_residual else None,
            relu=relu,
        )
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-11


def test_a_tile_takes_an_eighth_of_the_multiplications():
    in_time, in_space = winograd._filter_sums((4, 4, 4), 3, torch.float32)
    products = len(in_time) * (len(in_space.starts) - 1) // 3  # of 3 outputs
    assert products * 8 == 4**3 * 27


def test_the_result_may_take_the_place_of_the_residual():
    clip, weight, bias, residual = case(2, 5, 11, 9)
    expected = F.conv3d(clip, weight, bias, padding=1) + residual
    place = residual.contiguous(memory_format=CHANNELS_LAST)
    found = winograd.conv3d(clip, weight, bias, (4, 4, 4), residual=place, out=place)
    assert found is place
    assert (found - expected).abs().max() < 1e-11


def test_the_result_is_channels_last():
    clip, weight, bias, residual = case(1, 4, 8, 8)
    found = winograd.conv3d(clip, weight, bias, (4, 4, 4), out=residual)  # which is not
    assert found.is_contiguous(memory_format=CHANNELS_LAST)
    assert (found - F.conv3d(clip, weight, bias, padding=1)).abs().max() < 1e-11


def test_sums_made_in_inference_mode_serve_outside_of_it():
    winograd._block_sums.cache_clear()
    clip, weight, bias, _ = case(1, 4, 8, 8)
    with torch.inference_mode():
        winograd.conv3d(clip, weight, bias, (4, 4, 4))
    winograd.conv3d(clip, weight, bias, (4, 4, 4))


@pytest.fixture
def three_threads(monkeypatch):
    monkeypatch.setattr(winograd, "TILES_PER_BLOCK", 8)
    monkeypatch.setattr(winograd, "FEWEST_TILES", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_threads_claim_frequencies_of_blocks(three_threads, monkeypatch):
    products, claimed = winograd.onednn.products, []

    def noted(rows, filters):
        claimed.append((len(rows), threading.get_ident()))
        return products(rows, filters)

    monkeypatch.setattr(winograd.onednn, "products", noted)
    clip, weight, bias, residual = case(2, 4, 41, 9)
    with torch.inference_mode():
        found = winograd.conv3d(clip, weight, bias, (4, 4, 4), residual=residual)
    assert torch.allclose(found, F.conv3d(clip, weight, bias, padding=1) + residual)
    tiles, threads = zip(*claimed, strict=True)
    assert sorted(tiles) == [6] * 6 + [12] * 30  # 5 blocks of 8 rows and one of 1; 6 frequencies
    assert threading.get_ident() not in threads
    assert torch.get_num_threads() == 3
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 3


def test_what_a_thread_raises_is_raised(three_threads, monkeypatch):
    def full(*args):
        raise MemoryError

    monkeypatch.setattr(winograd.onednn, "products", full)
    clip, weight, bias, _ = case(1, 4, 41, 9)
    with pytest.raises(MemoryError):
        winograd.conv3d(clip, weight, bias, (4, 4, 4))
    assert torch.get_num_threads() == 3
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 3


def errors(tile):
    """Root mean square errors in float32 of tiles and of torch, for outputs of variance 1."""
    generator = torch.Generator().manual_seed(0)
    clip = torch.randn(1, 256, 8, 16, 16, generator=generator)
    weight = torch.randn(32, 256, 3, 3, 3, generator=generator) * (2 / (256 * 27)) ** 0.5
    expected = F.conv3d(clip.double().relu(), weight.double(), padding=1)
    found = winograd.conv3d(clip, weight, None, tile, relu_input=True)
    plain = F.conv3d(clip.relu(), weight, padding=1)
    return [(y - expected).square().mean().sqrt().item() for y in (found, plain)]


@pytest.mark.parametrize(("tile", "times"), [((4, 4, 4), 15), ((2, 2, 2), 5)])
def test_errors_in_float32(tile, times):
    """As multiples of torch's own, which is 2.0e-7 to 9.0e-7, as the processor has it."""
    found, plain = errors(tile)
    assert found < times * plain


def test_the_points_beat_the_customary_ones(monkeypatch):
    ours, _ = errors((4, 4, 4))
    monkeypatch.setattr(winograd, "POINTS", {2: (1.0,), 4: (1.0, 2.0)})
    winograd._block_sums.cache_clear()
    winograd._filter_sums.cache_clear()
    customary, _ = errors((4, 4, 4))
    winograd._block_sums.cache_clear()
    winograd._filter_sums.cache_clear()
    assert ours < customary / 2
