import numpy as np

from threedcseg.outputs.cutout import cut_out


def test_blend_is_exact_at_the_ends_and_linear_between() -> None:
    image, behind = np.full((1, 256, 3), 200, np.uint8), np.full((1, 256, 3), 40, np.uint8)
    alpha = np.arange(256, dtype=np.uint8)[None]
    got = cut_out(image, alpha, behind)
    assert got[0, 0].tolist() == [40] * 3 and got[0, 255].tolist() == [200] * 3
    assert np.abs(got[0, :, 0] - np.linspace(40, 200, 256)).max() <= 0.51
