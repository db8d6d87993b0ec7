import pytest
import torch

from threedcseg.errors import InputError
from threedcseg.models import create_model
from threedcseg.models.meta import on_meta
from threedcseg.models.registry import BRIDGES, ENCODERS, MODELS, REFINEMENTS, Registry


def test_every_combination_of_names_builds():
    with on_meta():
        for encoder in ENCODERS:
            network = create_model("3dc-seg", encoder=encoder)
            assert network.options == {"encoder": encoder}
        for bridge in BRIDGES:
            for refinement in REFINEMENTS:
                create_model("3dc-seg", encoder="ir-csn-50", bridge=bridge, refinement=refinement)


def test_the_paper_s_network_is_the_default():
    with on_meta():
        default = create_model("3dc-seg")
        named = create_model("3dc-seg", encoder="ir-csn-152", bridge="gc3d", refinement="rf3d")
    shapes = [
        {key: tensor.shape for key, tensor in network.state_dict().items()}
        for network in (default, named)
    ]
    assert shapes[0] == shapes[1]


def without_gradient(network, clip):
    """Names of parameters without a gradient."""
    torch.manual_seed(0)
    for parameter in network.parameters():  # nothing stays at a zero that it started from
        parameter.data += 0.02 * torch.randn_like(parameter)
    logits = network.eval()(clip)
    (logits * torch.randn_like(logits)).sum().backward()
    return {
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }


@pytest.mark.parametrize("name", list(MODELS))
def test_every_parameter_of_every_model_receives_a_gradient(name):
    assert without_gradient(create_model(name), torch.rand(1, 3, 8, 64, 64)) == set()


@pytest.mark.parametrize(
    "part",
    [{"bridge": name} for name in BRIDGES] + [{"refinement": name} for name in REFINEMENTS],
    ids=str,
)
def test_every_parameter_of_every_part_receives_a_gradient(part):
    network = create_model("3dc-seg", encoder="ir-csn-50", channels=64, **part)
    cancels = {"decoder.bridge.attend.key.bias"}  # the softmax ignores a shift of all its inputs
    assert without_gradient(network, torch.rand(1, 3, 8, 64, 128)) - cancels == set()


def test_only_the_unused_heads_stay_without_a_gradient():
    network = create_model("3dc-seg", encoder="ir-csn-50", channels=16, unused_heads=True)
    dead = without_gradient(network, torch.rand(1, 3, 8, 64, 64))
    heads = {f"decoder.unused_heads.{i}.1.{leaf}" for i in range(3) for leaf in ("weight", "bias")}
    assert dead == heads


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "ir-csn152"}, "unknown encoder 'ir-csn152': did you mean ir-csn-152"),
        ({"bridge": "gcn"}, "unknown bridge 'gcn': did you mean gc3d"),
        ({"refinement": "zzz"}, "unknown refinement 'zzz': choose one of these"),
        ({"channels": 0}, "decoder of 0 channels"),
        ({"channels": "many"}, "decoder of 'many' channels"),
        ({"classes": 3}, "3 classes: give 1"),
        ({"backbone": "ir-csn-152"}, "no option 'backbone': its options are encoder, bridge"),
    ],
)
def test_unknown_names_and_options(options, message):
    with pytest.raises(InputError, match=message) as caught:
        create_model("3dc-seg", **options)
    assert "\n" not in str(caught.value)


def test_unknown_models():
    with pytest.raises(InputError, match="unknown model '3dc': did you mean 3dc-seg"):
        create_model("3dc")


def test_a_name_is_given_once():
    registry: Registry = Registry("thing")
    registry.register("one")(torch.nn.Identity)
    with pytest.raises(ValueError, match="two builders"):
        registry.register("one")(torch.nn.Identity)
