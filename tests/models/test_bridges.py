"""How far bridges look: what the small golden networks, whose maps are smaller, cannot tell."""

import torch

from threedcseg.models.bridges import ASPP3D, GC3D

SIDE, MIDDLE = 41, 20


def offsets(convolve, channels=8):
    """Rows, columns and frames, against its own, that an output depends on."""
    x = torch.rand(1, channels, 3, SIDE, SIDE, requires_grad=True)
    convolve(x)[0, :, 1, MIDDLE, MIDDLE].sum().backward()
    used = (x.grad[0] != 0).any(0).nonzero()  # (N, 3): frame, row, column
    return [
        sorted(set((column - own).tolist()))
        for column, own in zip(used.T, (1, MIDDLE, MIDDLE), strict=True)
    ]


def test_atrous_convolutions_have_the_published_dilations():
    atrous = [scale[0] for scale in ASPP3D(8, 8).scales[1:4]]
    for convolution, dilation in zip(atrous, (3, 6, 9), strict=True):
        frames, rows, columns = offsets(convolution)
        assert frames == [0] and rows == columns == [-dilation, 0, dilation]


def test_a_global_convolution_sees_seven_by_seven_cells_of_its_frame():
    bridge = GC3D(8, 8)
    for one, other in ((bridge.left1, bridge.left2), (bridge.right1, bridge.right2)):
        frames, rows, columns = offsets(lambda x, one=one, other=other: other(one(x)))
        assert frames == [0] and rows == columns == list(range(-3, 4))
