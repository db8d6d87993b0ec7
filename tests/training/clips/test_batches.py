import threading
from dataclasses import replace

import pytest
import torch
from made_footage import CPU, canvases, still, video

from threedcseg.training.batch import Batch
from threedcseg.training.clips.batches import BatchMaker, batches_ahead
from threedcseg.training.clips.layers import Mix, Planner
from threedcseg.training.clips.stock import Stock

SIZE = (32, 48)


@pytest.fixture(scope="module")
def stock():
    return Stock(canvases(*(still(f"disc-{i}", i) for i in range(6)), video("v")), [1.0] * 7)


def maker(stock, mix=None, seed=3):
    return BatchMaker(Planner(stock, 4, SIZE, mix or Mix(2, 1, 3)), seed)


def test_a_batch_is_what_fit_takes(stock):
    batch = maker(stock)(0)
    assert batch.frames.shape == (6, 3, 4, *SIZE) and batch.frames.dtype == torch.uint8
    assert batch.masks.shape == (6, 1, 4, *SIZE) and set(batch.masks.unique().tolist()) <= {0, 255}
    assert batch.frames.is_contiguous(memory_format=torch.channels_last_3d)
    assert batch.sources[:2] == (("v",), ("v",)) and len(batch.sources) == 6
    assert batch.frames.float().std() > 10 and batch.masks.float().mean() > 1


def test_a_batch_is_a_function_of_seed_and_number(stock):
    torch.rand(5)  # nobody else's draws matter
    one, again = maker(stock)(7), maker(stock)(7)
    assert torch.equal(one.frames, again.frames) and torch.equal(one.masks, again.masks)
    assert not torch.equal(one.frames, maker(stock)(8).frames)
    assert not torch.equal(one.frames, maker(stock, seed=4)(7).frames)


def test_the_context_of_a_clip_has_no_masks(stock):
    whole = maker(stock)(2)
    batch = replace(maker(stock), context=1)(2)
    assert (whole.context, batch.context) == (0, 1)
    assert torch.equal(batch.frames, whole.frames)
    assert torch.equal(batch.masks, whole.masks[:, :, 1:3])


def test_shares_of_processes_are_the_batch(stock):
    whole = maker(stock)(2)
    for rank in range(3):
        share = maker(stock)(2, slice(rank, None, 3))
        assert torch.equal(share.frames, whole.frames[rank::3])
        assert torch.equal(share.masks, whole.masks[rank::3])
        assert share.sources == whole.sources[rank::3]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_makes_the_same_clips(stock):
    """But for grain, which is another; so of means, and of masks."""
    on_gpu = canvases(*(still(f"disc-{i}", i) for i in range(6)), video("v"))
    on_gpu.pixels = on_gpu.pixels.cuda()
    one, other = maker(stock)(1), maker(Stock(on_gpu, [1.0] * 7))(1)
    assert (one.masks != other.masks.cpu()).float().mean() < 1e-3
    means = [batch.frames.float().mean((1, 2, 3, 4)).cpu() for batch in (one, other)]
    assert torch.allclose(*means, atol=1.0)


def test_batches_are_made_ahead_in_order(stock):
    made = maker(stock, Mix(1, 0, 1))
    found = list(batches_ahead(made, range(5, 9), CPU))
    for number, batch in zip(range(5, 9), found, strict=True):
        assert torch.equal(batch.frames, made(number).frames)


def numbered(number: int) -> Batch:
    return Batch(torch.full((1,), number), torch.zeros(1), (("x",),))


def test_what_fails_while_batches_are_made_is_raised():
    def make(number):
        if number == 2:
            raise ArithmeticError("two")
        return numbered(number)

    batches = batches_ahead(make, range(5), CPU)
    assert [int(next(batches).frames), int(next(batches).frames)] == [0, 1]
    with pytest.raises(ArithmeticError, match="two"):
        next(batches)


def test_the_thread_ends_with_those_who_use_it():
    before = threading.active_count()
    batches = batches_ahead(numbered, range(10**9), CPU)
    next(batches)
    assert threading.active_count() == before + 1
    batches.close()
    assert threading.active_count() == before
