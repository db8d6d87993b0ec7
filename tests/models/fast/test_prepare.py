"""The inference path against the plain modules it stands for."""

import copy
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from drawn_weights import clip_of, draw_into, load, published_network
from exactness import errs_at_most
from small_networks import NETWORKS, small_network
from torch import nn

from threedcseg.models import create_model
from threedcseg.models.encoders.residual import Residual
from threedcseg.models.fast import onednn
from threedcseg.models.fast.convolutions import FastConv3d, Methods, PointwiseConv3d
from threedcseg.models.fast.fused import FusedResidual, FusedRF3D
from threedcseg.models.fast.prepare import prepare_for_gpu, prepare_for_inference
from threedcseg.models.refinement import RF3D

TOLERANCE = 2e-5  # on probabilities, of small networks


def clip(frames=4, height=32, width=48, batch=1, seed=0):
    return torch.rand(
        batch, 3, frames, height, width, generator=torch.Generator().manual_seed(seed)
    )


def probabilities(model, images):
    with torch.inference_mode():
        logits = model(images)
    return logits.softmax(dim=1) if logits.shape[1] > 1 else logits.sigmoid()


@pytest.fixture(scope="module")
def plain():
    return draw_into(small_network())


@pytest.fixture(scope="module")
def fast(plain):
    return prepare_for_inference(plain)


@pytest.fixture(params=["as measured", "boldest"])
def choice(request, monkeypatch):
    """Once with the methods that turn out the fastest, once with the others where there are any."""
    if request.param == "boldest":
        monkeypatch.setattr(
            Methods, "fastest", lambda self, conv, clip: conv.methods_for(clip.shape[2])[0]
        )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_part(name, choice):
    plain = draw_into(small_network(*NETWORKS[name]))
    fast = prepare_for_inference(plain)
    expected = probabilities(plain, clip())
    assert expected.std() > 0.01  # the networks do tell places apart
    assert (probabilities(fast, clip()) - expected).abs().max() < TOLERANCE
    assert not any(isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d) for m in fast.modules())


@pytest.mark.parametrize("frames", range(1, 17))
def test_every_clip_length(plain, fast, frames, choice):
    images = clip(frames)
    assert (probabilities(fast, images) - probabilities(plain, images)).abs().max() < TOLERANCE


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("size", [(33, 47), (64, 31), (1, 1), (5, 90), (61, 67)])
def test_odd_sizes_and_batches(plain, fast, size, batch, choice):
    images = clip(5, *size, batch)
    assert (probabilities(fast, images) - probabilities(plain, images)).abs().max() < TOLERANCE


def test_the_compact_network():
    plain = create_model("compact").eval()
    for module in plain.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics as training leaves them
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    fast = prepare_for_inference(plain)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    for images in (clip(8, 64, 96), clip(3, 45, 71, batch=2)):
        expected = probabilities(plain, images)
        assert (probabilities(fast, images) - expected).abs().max() < TOLERANCE


def in_float64(compute, module, *tensors):
    return compute(copy.deepcopy(module).double(), *(tensor.double() for tensor in tensors))


def channels_last(*shape):
    return torch.randn(*shape).to(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("outputs", [2, 32])
@pytest.mark.parametrize("relus", [(False, False), (True, True)])
def test_every_method_of_a_convolution(frames, outputs, relus):
    torch.manual_seed(0)
    conv = nn.Conv3d(48, outputs, 3, padding=1).requires_grad_(False)
    x, residual = channels_last(2, 48, frames, 9, 14), channels_last(2, outputs, frames, 9, 14)

    def by_torch(conv, x, residual):
        y = conv(x.relu() if relus[0] else x) + residual
        return y.relu() if relus[1] else y

    plain, exact = by_torch(conv, x, residual), in_float64(by_torch, conv, x, residual)
    fast = FastConv3d(conv, Methods())
    fast.relu_input, fast.relu = relus
    methods = fast.methods_for(frames)
    assert "direct" in methods and (len(methods) > 1 or frames == 1)
    for method in methods:
        assert errs_at_most(25, fast.by(method, x, residual), plain, exact)
        place = residual.clone()
        assert errs_at_most(25, fast.by(method, x, place, out=place), plain, exact)


def test_the_fastest_method_is_measured_once_for_a_shape(monkeypatch):
    times = {"direct": 1.0, (4, 4, 4): 2.0}
    measured = []

    def seconds(conv, clip, method):
        measured.append(method)
        return times[method]

    monkeypatch.setattr("threedcseg.models.fast.convolutions._seconds", seconds)
    conv = FastConv3d(nn.Conv3d(32, 32, 3, padding=1), Methods())
    x = channels_last(1, 32, 4, 8, 8)
    assert conv.methods.fastest(conv, x) == "direct"
    assert set(measured) == set(times)
    count = len(measured)
    assert conv.methods.fastest(conv, x) == "direct"
    assert len(measured) == count
    conv.methods.fastest(conv, channels_last(1, 32, 4, 8, 9))
    assert len(measured) > count


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("fuses", [onednn.fuses, lambda dtype: False])
def test_pointwise_convolutions(stride, fuses, monkeypatch):
    monkeypatch.setattr(onednn, "fuses", fuses)
    torch.manual_seed(0)
    conv = nn.Conv3d(12, 20, 1, stride).requires_grad_(False)
    x = channels_last(2, 12, 4, 15, 13)
    plain, exact = conv(x), in_float64(lambda conv, x: conv(x), conv, x)
    residual = channels_last(*plain.shape)
    fast = PointwiseConv3d(conv)
    assert errs_at_most(5, fast(x), plain, exact)
    fast.relu = True
    assert errs_at_most(5, fast(x), plain.relu(), exact.relu())
    plain, exact = (plain + residual).relu(), (exact + residual).relu()
    assert errs_at_most(5, fast(x, residual), plain, exact)
    place = residual.clone()
    assert errs_at_most(5, fast(x, place, out=place), plain, exact)


def test_what_is_replaced():
    plain = draw_into(small_network())
    fast = prepare_for_inference(plain)
    kinds = [type(module) for module in fast.modules()]
    assert kinds.count(FusedRF3D) == 3 and RF3D not in kinds
    assert kinds.count(FusedResidual) == 6 and Residual not in kinds
    assert kinds.count(FastConv3d) == 3 * 5 + 2 + 1
    assert (probabilities(fast, clip()) - probabilities(plain, clip())).abs().max() < TOLERANCE


def test_the_model_stays_as_it_was():
    model = draw_into(small_network()).train()
    before = copy.deepcopy(model.state_dict())
    fast = prepare_for_inference(model)
    probabilities(fast, clip())
    assert model.training and not fast.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    model(clip(2)).mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_unchanged_weights_are_shared(plain, fast):
    ours, theirs = fast.decoder.refinements[0].skip2, plain.decoder.refinements[0].skip2
    assert ours.weight.data_ptr() == theirs.weight.data_ptr()


def test_features_of_an_encoder_are_not_overwritten(plain, fast):
    images = clip()
    with torch.inference_mode():
        expected, found = plain.encoder(images), fast.encoder(images)
    for a, b in zip(expected, found, strict=True):
        assert (a - b).abs().max() < 1e-4
    kept = [feature.clone() for feature in found]
    with torch.inference_mode():
        fast.decoder(found)
        fast.encoder(images)
    assert all(torch.equal(a, b) for a, b in zip(kept, found, strict=True))


def test_other_dtypes_take_the_plain_way(plain):
    fast = prepare_for_inference(plain).double()
    images = clip().double()
    expected = probabilities(copy.deepcopy(plain).double(), images)
    assert (probabilities(fast, images) - expected).abs().max() < 1e-6  # weights folded in float32


def test_gradients_of_the_input_take_the_plain_way(plain, fast):
    def gradient(model):
        images = clip(2).requires_grad_()
        model(images)[:, 1].sum().backward()
        return images.grad

    expected = gradient(plain)
    assert (gradient(fast) - expected).abs().max() < 1e-4 * expected.abs().max()


def test_gradients_of_part_of_the_input():
    plain = draw_into(RF3D(32, 32))
    fast = prepare_for_inference(plain)
    skip, gradients = channels_last(1, 32, 4, 6, 8), []
    for module in (plain, fast):
        coarse = torch.ones(1, 32, 2, 3, 4, requires_grad=True)
        module(skip, coarse).sum().backward()
        gradients.append(coarse.grad)
    assert (gradients[0] - gradients[1]).abs().max() < 1e-4 * gradients[0].abs().max()


def test_with_gradients_enabled_and_none_wanted(fast):
    with torch.inference_mode():
        expected = fast(clip())
    assert torch.equal(fast(clip()), expected)


def test_under_autocast(plain, fast):
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = probabilities(plain, clip()), probabilities(fast, clip())
    assert (found - expected).abs().max() < 0.05


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_trace_takes_the_plain_way(plain, fast):
    images = clip()
    with torch.no_grad():
        traced = torch.jit.trace(fast, images, check_trace=False)
        assert (traced(images) - plain(images)).abs().max() < 1e-4


def test_an_export_takes_the_plain_way(plain, fast):
    images = clip()
    with torch.no_grad():
        exported = torch.export.export(fast, (images,)).module()
        assert (exported(images) - plain(images)).abs().max() < 1e-4


def test_copies_and_files(fast):
    expected = probabilities(fast, clip())
    file = io.BytesIO()
    torch.save(fast, file)
    file.seek(0)
    for other in (
        copy.deepcopy(fast),
        prepare_for_inference(fast),
        torch.load(file, weights_only=False),
    ):
        assert (probabilities(other, clip()) - expected).abs().max() < TOLERANCE


def test_threads_do_not_share_scratch_memory(plain, fast):
    images = [clip(seed=seed) for seed in range(4)] * 3
    expected = [probabilities(plain, image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda image: probabilities(fast, image), images))
    for a, b in zip(expected, found, strict=True):
        assert (a - b).abs().max() < TOLERANCE


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, TOLERANCE), (torch.bfloat16, 0.05)]
)
def test_what_a_gpu_runs_on_a_cpu(plain, dtype, tolerance):
    found = probabilities(prepare_for_gpu(plain, torch.device("cpu"), dtype), clip())
    assert found.dtype == torch.float32
    assert (found - probabilities(plain, clip())).abs().max() < tolerance


def test_the_papers_network(shared):
    """As `test_golden` has it, but prepared."""
    expected = load(shared / "golden" / "paper.npz")
    fast = prepare_for_inference(published_network())
    logits = torch.from_numpy(expected["logits"])
    found = probabilities(fast, clip_of(expected["frames"]))[0]
    assert (found - logits.softmax(0)).abs().max() < 1e-4
