import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_trees import box, write_labels

from threedcseg.datasets.memory import MaskMemory, Runs

masks = arrays(
    np.uint8,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.sampled_from([0, 127, 255]),
)


@given(masks)
def test_runs_give_the_mask_back(mask):
    runs = Runs.of(mask)
    np.testing.assert_array_equal(runs.mask(), mask)
    assert runs.mask().dtype == np.uint8
    assert (runs.values[1:] != runs.values[:-1]).all()


def test_a_mask_is_decoded_once_and_each_reader_has_its_own_copy(tmp_path):
    path = write_labels(tmp_path / "mask.png")
    memory = MaskMemory()
    memory.read("a", path)[:] = 0
    path.unlink()
    memory.read("a", path)[:] = 0
    np.testing.assert_array_equal(memory.read("a", path), box())


def test_the_memory_holds_no_more_than_its_limit(tmp_path):
    path = write_labels(tmp_path / "mask.png")
    memory = MaskMemory(limit=2 * Runs.of(box()).size)
    for key in range(5):
        np.testing.assert_array_equal(memory.read(key, path), box())
    assert len(memory._held) == 2
    np.testing.assert_array_equal(memory.read(4, path), box())
