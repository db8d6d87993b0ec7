import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from made_trees import box

from threedcseg.training.clips.mask_cache import MaskCache, RunLengths

few_values = arrays(
    np.uint8, array_shapes(min_dims=1, max_dims=3), elements=st.sampled_from([0, 127, 255])
)


@given(few_values)
def test_runs_give_the_array_back(array):
    runs = RunLengths.of(array)
    np.testing.assert_array_equal(runs.array(), array)
    assert runs.array().dtype == np.uint8
    assert (runs.values[1:] != runs.values[:-1]).all()


def test_an_array_is_made_once_and_each_reader_has_a_copy_of_its_own():
    made = []

    def make() -> np.ndarray:
        made.append(box())
        return box()

    memory = MaskCache()
    for _ in range(3):
        array = memory.get("a", make)
        np.testing.assert_array_equal(array, box())
        array[:] = 7
    assert len(made) == 1


def test_the_memory_holds_no_more_than_its_limit():
    memory = MaskCache(limit=2 * RunLengths.of(box()).size)
    for key in range(5):
        np.testing.assert_array_equal(memory.get(key, box), box())
    assert len(memory._held) == 2
    np.testing.assert_array_equal(memory.get(4, box), box())
