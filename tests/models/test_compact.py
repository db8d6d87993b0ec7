import pytest
import torch
from drawn_weights import draw_into

from threedcseg.models import create_model


@pytest.mark.parametrize("size", [(1, 32, 32), (3, 33, 47), (5, 17, 90)])
def test_a_head_at_stride_2_takes_any_size(size):
    network = draw_into(create_model("compact", width="lite0", channels=8, finest=8))
    with torch.inference_mode():
        logits = network(torch.rand(2, 3, *size))
    assert logits.shape == (2, 1, *size)
    assert logits.isfinite().all()


def test_the_finest_map_is_the_stems():
    encoder = create_model("compact", width="lite2", channels=8, finest=8).encoder
    assert encoder.strides == ((1, 2), (1, 4), (1, 8), (1, 16), (1, 32))
    assert encoder.out_channels == (16, 24, 48, 120, 352)
    with torch.inference_mode():
        maps = encoder(torch.rand(1, 3, 2, 64, 96))
    assert [tuple(m.shape) for m in maps] == [
        (1, channels, 2, 64 // stride, 96 // stride)
        for channels, (_, stride) in zip(encoder.out_channels, encoder.strides, strict=True)
    ]


def test_logits_are_made_at_stride_2():
    network = draw_into(create_model("compact", width="lite0", channels=8, finest=8))
    with torch.inference_mode():
        assert network.decoder(network.encoder(torch.rand(1, 3, 2, 64, 96))).shape[3:] == (32, 48)
