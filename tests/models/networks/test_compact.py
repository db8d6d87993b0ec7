import pytest
import torch
from drawn_weights import draw_into

from threedcseg.models import create_model, load_network


@pytest.mark.parametrize("size", [(1, 32, 32), (3, 33, 47), (5, 17, 90)])
def test_logits_at_stride_2_for_any_size(size):
    network = draw_into(create_model("compact", width="lite0", channels=8, finest=8))
    clip = torch.rand(2, 3, *size)
    with torch.inference_mode():
        maps = network.encoder(clip)
        assert network.decoder(maps).shape[2:] == maps[0].shape[2:]
        assert maps[0].shape[3:] == (-(-size[1] // 2), -(-size[2] // 2))
        logits = network(clip)
    assert logits.shape == (2, 1, *size)
    assert logits.isfinite().all()


def test_the_weights_to_start_from_fit(shared):
    """Every key and shape, or `load_network` raises."""
    network, metadata = load_network(shared / "start" / "compact-stride2.safetensors")
    assert metadata["options"] == {"width": "lite2", "channels": 64, "finest": 24}
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == 4.87
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 2, 64, 96)).isfinite().all()


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
