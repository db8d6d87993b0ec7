import numpy as np

from threedcseg.outputs.alpha import with_alpha


def test_far_from_the_object_nothing_is_kept() -> None:
    image = np.full((100, 100, 3), 77, np.uint8)
    alpha = np.zeros((100, 100), np.uint8)
    alpha[40:60, 40:60] = 255
    rgba = with_alpha(image, alpha)
    assert np.array_equal(rgba[..., 3], alpha)
    assert (rgba[30:70, 30:70, :3] == 77).all() and not rgba[:20].any()
    assert (image == 77).all()
