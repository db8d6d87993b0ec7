import pytest
import torch

from threedcseg.errors import InputError
from threedcseg.models import create_model
from threedcseg.models.meta import on_meta
from threedcseg.models.registry import Registry


def test_the_paper_s_network_is_the_default():
    with on_meta():
        default = create_model("3dc-seg")
        named = create_model("3dc-seg", encoder="ir-csn-152", bridge="gc3d", refinement="rf3d")
    shapes = [
        {key: tensor.shape for key, tensor in network.state_dict().items()}
        for network in (default, named)
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "ir-csn152"}, "unknown encoder 'ir-csn152': did you mean ir-csn-152"),
        ({"bridge": "gcn"}, "unknown bridge 'gcn': did you mean gc3d"),
        ({"refinement": "zzz"}, "unknown refinement 'zzz': choose one of these"),
        ({"encoder": ["ir-csn-152"]}, "encoder .'ir-csn-152'.: Input should be a valid string"),
        ({"channels": 0}, "channels 0: Input should be greater than or equal to 8"),
        ({"channels": -1}, "channels -1: Input should be greater than or equal to 8"),
        ({"channels": 10**9}, "channels 1000000000: Input should be less than or equal to 1024"),
        ({"channels": 64.0}, "channels 64.0: Input should be a valid integer"),
        ({"channels": 1e308}, "channels 1e.308: Input should be a valid integer"),
        ({"channels": "many"}, "channels 'many': Input should be a valid integer"),
        ({"channels": [[]] * 1000}, "channels .*: Input should be a valid integer"),
        ({"channels": True}, "channels True: Input should be a valid integer"),
        ({"classes": 3}, "classes 3: Input should be 1 or 2"),
        ({"convolution": "fast"}, "convolution 'fast': Input should be 'plain' or 'separable'"),
        ({"backbone": "ir-csn-152"}, "no option 'backbone': its options are encoder, bridge"),
    ],
)
def test_unknown_names_and_options(options, message):
    with pytest.raises(InputError, match=message) as caught:
        create_model("3dc-seg", **options)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("finest", [4, -1, 2000, "24", 24.0])
def test_a_light_refinement_has_limits_too(finest):
    with pytest.raises(InputError, match="'compact' with finest"):
        create_model("compact", finest=finest)


def test_unknown_models():
    with pytest.raises(InputError, match="unknown model '3dc': did you mean 3dc-seg"):
        create_model("3dc")


def test_a_name_is_given_once():
    registry: Registry = Registry("thing")
    registry.register("one")(torch.nn.Identity)
    with pytest.raises(ValueError, match="two builders"):
        registry.register("one")(torch.nn.Identity)
