import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from threedcseg.training.clips.sampling import sample_indices


@given(st.integers(1, 80), st.integers(1, 16), st.integers(1, 40), st.integers(0, 1000))
def test_clips_are_in_order_within_the_span_and_padded_with_the_last_frame(n, length, span, seed):
    indices = sample_indices(n, length, span, np.random.default_rng(seed))
    assert len(indices) == length
    assert indices == sorted(indices)
    drawn = [i for slot, i in enumerate(indices) if slot == 0 or i != indices[slot - 1]]
    assert all(index <= indices[0] + span or index == n - 1 for index in drawn)
    # only the last frame may repeat
    repeated = {i for i in indices if indices.count(i) > 1}
    assert repeated <= {n - 1}


def test_frames_up_to_the_span_are_drawn():
    rng = np.random.default_rng(0)
    drawn = [sample_indices(60, 3, 4, rng) for _ in range(300)]
    steps = {later - first for first, *rest in drawn for later in rest if later < 59}
    assert steps == {1, 2, 3, 4}


def test_every_frame_can_start_a_clip():
    rng = np.random.default_rng(0)
    assert {sample_indices(5, 2, 32, rng)[0] for _ in range(200)} == set(range(5))
