import cv2
import numpy as np
import pytest
import torch
from drawn_weights import draw_into
from torch.nn import functional as F

from threedcseg.models import create_model
from threedcseg.models.camera import (
    averaged,
    camera_motions,
    compose,
    halved,
    inside,
    invert,
    places,
    solve,
)
from threedcseg.models.motion import moving

AFFINE = torch.tensor([[[1.03, 0.04, 0.12], [-0.05, 0.98, -0.08]]])


def texture(height, width, seed=0):
    """``(height, width)`` in [0, 1], of coarse and fine structure."""
    rng = np.random.default_rng(seed)
    parts = [
        cv2.resize(
            rng.random((height // s, width // s)), (width, height), interpolation=cv2.INTER_CUBIC
        )
        for s in (4, 10, 32)
    ]
    return torch.from_numpy(np.clip(sum(parts) / 3, 0, 1)).float()


def moved(image, motion):
    """What ``image (H, W)`` would look like to a camera whose frame is ``motion`` of it."""
    points = places(motion, *image.shape)
    return F.grid_sample(image[None, None], points, padding_mode="reflection", align_corners=False)[
        0, 0
    ]


def gray_of(*images):
    """As the stream sees frames: ``(T, 1, H/2, W/2)``."""
    return F.avg_pool2d(torch.stack(images)[:, None], 2)


def farthest(one, other, height, width):
    """The largest distance in pixels between where two motions put a point of the frame."""
    off = (places(one, height, width) - places(other, height, width)).abs().amax((0, 1, 2))
    return max(float(off[0]) * width / 2, float(off[1]) * height / 2)


def clip_of(*images):
    """``(1, 3, T, H, W)`` of gray pictures."""
    return torch.stack(images)[None, None].repeat(1, 3, 1, 1, 1)


def test_an_affine_motion_is_found():
    scene = texture(176, 320)
    found, trust = camera_motions(gray_of(scene, moved(scene, AFFINE)), 1)[1]
    assert farthest(found, AFFINE, 176, 320) < 1.0
    assert trust > 0.9


def test_an_object_does_not_take_the_camera_along():
    scene, thing = texture(176, 320), texture(176, 320, seed=1)
    frames = [scene, moved(scene, AFFINE)]
    for frame, left in zip(frames, (60, 130), strict=True):
        frame[50:130, left : left + 90] = thing[:80, :90]  # a seventh of the frame
    found, trust = camera_motions(gray_of(*frames), 1)[1]
    assert farthest(found, AFFINE, 176, 320) < 1.0
    assert trust > 0.5


def test_a_shift_of_a_fifth_of_the_frame_is_found():
    shift = torch.tensor([[[1.0, 0, 0.4], [0, 1, 0.2]]])
    scene = texture(176, 320)
    found, trust = camera_motions(gray_of(scene, moved(scene, shift)), 1)[1]
    assert farthest(found, shift, 176, 320) < 1.0
    assert trust > 0.9


def test_motions_over_three_frames_are_chained():
    scene = texture(176, 320)
    frames, total = [scene], torch.eye(2, 3)[None]
    step = torch.tensor([[[1.01, 0, 0.1], [0, 1.01, -0.05]]])
    for _ in range(3):
        total = compose(step, total)  # from the frame to the one before, and on to the first
        frames.append(moved(scene, total))
    found = camera_motions(gray_of(*frames), 1)
    assert found[1][0].shape == (3, 2, 3)
    assert found[3][0].shape == (1, 2, 3)
    assert farthest(found[3][0], total, 176, 320) < 1.5


@pytest.mark.parametrize("kind", ["cut", "plain", "noise"])
def test_what_cannot_be_aligned_is_unknown(kind):
    first, second = {
        "cut": (texture(176, 320), texture(176, 320, seed=1)),
        "plain": (torch.full((176, 320), 0.4), torch.full((176, 320), 0.6)),
        "noise": tuple(0.5 + 0.02 * torch.randn(2, 176, 320, generator=torch.manual_seed(0))),
    }[kind]
    seen, known = moving(clip_of(first, second))
    assert known.max() < 0.1
    assert seen[:, :3].abs().max() < 0.3


def test_only_what_moves_by_itself_differs():
    scene, thing = texture(176, 320), texture(176, 320, seed=1)
    still = torch.tensor([[[1.0, 0, 0.05], [0, 1, 0]]])  # eight pixels
    frames = [scene, moved(scene, still), moved(scene, compose(still, still))]
    for t, frame in enumerate(frames):
        frame[48:112, 80 + 24 * t : 160 + 24 * t] = thing[:64, :80]
    seen, known = moving(clip_of(*frames))
    hidden = seen[1, 10]  # differs from before and after: no uncovered ground
    mover = torch.zeros(22, 40, dtype=torch.bool)
    mover[7:13, 14:22] = True  # within the object
    around = torch.ones(22, 40, dtype=torch.bool)
    around[5:15, 8:28] = False
    around[:, :2] = around[:, -2:] = False
    assert hidden[mover].mean() > 0.5
    assert hidden[around].mean() < 0.1
    assert known[1, 0, 1:-1, 2:-2].min() > 0.9


def drift(count, seed=0):
    """A scene that shifts by four pixels a frame, and a square that goes the other way."""
    scene, thing = texture(96, 160 + 4 * count, seed), texture(32, 32, seed + 1)
    frames = [scene[:, 4 * t : 4 * t + 160].clone() for t in range(count)]
    for t, frame in enumerate(frames):
        frame[32:64, 20 + 3 * t : 52 + 3 * t] = thing
    return frames


@pytest.mark.parametrize("context", [1, 2, 3])
def test_with_context_a_clip_is_seen_as_the_middle_of_a_longer_one(context):
    clip = torch.cat([clip_of(*drift(8 + 2 * context, seed)) for seed in (0, 7)])
    seen, known = (x.unflatten(0, (2, -1))[:, context:-context] for x in moving(clip))
    found, found_known = (x.unflatten(0, (2, -1)) for x in moving(clip, context))
    assert found.shape[1] == 8
    assert torch.allclose(found, seen, atol=1e-4)
    assert torch.allclose(found_known, known, atol=1e-4)


def test_with_more_context_the_further_neighbours_are_further_away():
    frames = drift(18)
    seen, known = moving(clip_of(*frames), 5)
    assert len(seen) == 8 and known.min() >= 0 and known.mean() > 0.8
    pair = clip_of(frames[5], frames[10])  # nothing lies between: `search` finds the shift
    later, _ = moving(pair)
    assert (seen[0, 16:19] - later[0, 5:8]).abs().mean() < 0.05 * later[0, 5:8].abs().mean()


@pytest.mark.parametrize("frames", [1, 2, 8])
def test_black_context_says_nothing(frames):
    made = network()
    clip = torch.cat([clip_of(*drift(frames, seed)) for seed in (0, 7)])
    black = torch.zeros(2, 3, 3, 96, 160)
    with torch.inference_mode():
        expected = made(clip)
        assert torch.allclose(made(torch.cat([black, clip, black], 2), 3), expected, atol=1e-5)


def test_a_frame_alone_moves_against_its_context():
    made, clip = network(), clip_of(*drift(3))
    with torch.inference_mode():
        found = made(clip, 1)
        assert found.shape == (1, 1, 1, 96, 160)
        assert not torch.allclose(found, made(clip[:, :, 1:2]), atol=1e-3)


def test_a_network_without_the_stream_looks_at_no_context():
    plain = without_motion(network())
    clip = torch.rand(1, 3, 6, 64, 96)
    with torch.inference_mode():
        assert torch.equal(plain(clip, 2), plain(clip[:, :, 2:4]))
    assert network().takes_context and not plain.takes_context


def test_a_change_of_exposure_is_not_motion():
    scene = texture(176, 320)
    seen, known = moving(clip_of(0.8 * scene, 0.9 * scene))
    assert known[..., 2:-2, 2:-2].min() > 0.9
    assert seen[:, 0].mean() < 10 * 0.01  # ten times differences


def test_motions_are_composed_and_inverted():
    there = AFFINE
    points = places(compose(there, invert(there)), 5, 7)
    assert torch.allclose(points, places(torch.eye(2, 3)[None], 5, 7), atol=1e-6)
    assert inside(points).mean() < 1  # not the outermost centres
    matrix = torch.randn(3, 6, 6, generator=torch.manual_seed(0))
    matrix = matrix @ matrix.mT + torch.eye(6)
    right = torch.randn(3, 6)
    found = solve(torch.cat([matrix, right[..., None]], -1))
    assert torch.allclose(found, torch.linalg.solve(matrix, right), atol=1e-4)


@pytest.mark.parametrize("size", [(8, 12), (7, 5)])
def test_averages_of_slices_are_those_of_pooling(size):
    maps = torch.rand(2, 3, *size, generator=torch.manual_seed(0))
    assert torch.allclose(halved(maps), F.avg_pool2d(maps, 2, ceil_mode=True))
    averages = F.avg_pool2d(maps, 5, 1, 2, count_include_pad=False)
    assert torch.allclose(averaged(maps), averages, atol=1e-6)


def network(trained=True):
    made = create_model("compact", width="lite0", channels=8, finest=8, motion=True)
    draw_into(made)
    if not trained:
        for last in made.motion.out:
            torch.nn.init.zeros_(last.weight), torch.nn.init.zeros_(last.bias)
    return made


def without_motion(made):
    plain = create_model("compact", width="lite0", channels=8, finest=8, motion=False).eval()
    plain.load_state_dict({k: v for k, v in made.state_dict().items() if "motion." not in k})
    return plain


@pytest.mark.parametrize("size", [(1, 32, 32), (2, 33, 47), (5, 17, 90), (8, 64, 96)])
def test_any_size_comes_out_as_it_went_in(size):
    made = network()
    with torch.inference_mode():
        logits = made(torch.rand(2, 3, *size))
    assert logits.shape == (2, 1, *size)
    assert logits.isfinite().all()


def test_a_new_stream_and_a_frame_alone_add_nothing():
    made, clip = network(trained=False), torch.rand(1, 3, 4, 64, 96)
    with torch.inference_mode():
        assert torch.equal(made(clip), without_motion(made)(clip))
        made = network()
        assert torch.equal(made(clip[:, :, :1]), without_motion(made)(clip[:, :, :1]))


def test_an_unknown_clip_is_seen_as_without_the_stream():
    made = network()
    cut = clip_of(texture(96, 160), texture(96, 160, seed=1))
    standing = clip_of(*[texture(96, 160)] * 2)
    with torch.inference_mode():
        plain = without_motion(made)
        assert (made(cut) - plain(cut)).abs().max() < 1e-4
        assert (made(standing) - plain(standing)).abs().max() > 1e-3


def test_a_batch_is_its_clips_one_by_one():
    made = network()
    clips = torch.stack(
        [clip_of(*(texture(64, 96, seed=s + t) for t in range(4)))[0] for s in (0, 9)]
    )
    with torch.inference_mode():
        apart = torch.cat([made(clip[None]) for clip in clips])
        assert torch.allclose(made(clips), apart, atol=1e-4)


def test_the_stream_learns():
    made = network(trained=False).train()
    made(clip_of(*(texture(64, 96, seed=t // 2) for t in range(4)))).mean().backward()
    assert all(last.weight.grad.abs().sum() > 0 for last in made.motion.out)


class Moving(torch.nn.Module):
    def forward(self, clip):
        return moving(clip)


@pytest.mark.slow
def test_an_exported_graph_sees_the_same(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    rows, columns = (16 * torch.export.Dim(name, min=2) for name in ("rows", "columns"))
    program = torch.onnx.export(
        Moving(),
        (torch.rand(1, 3, 4, 96, 160),),
        dynamo=True,
        dynamic_shapes=({3: rows, 4: columns},),
        opset_version=18,
        verbose=False,
    )
    program.save(tmp_path / "moving.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "moving.onnx")
    step = torch.tensor([[[1.01, 0, 0.1], [0, 1.01, -0.05]]])
    frames = [texture(112, 208)]
    for _ in range(3):
        frames.append(moved(frames[-1], step))
    clip = clip_of(*frames)
    clip[..., 40:80, 60:100] = texture(40, 40, seed=1)  # stands before the camera that moves
    expected = moving(clip)
    found = session.run(None, {session.get_inputs()[0].name: clip.numpy()})
    assert expected[1].mean() > 0.8
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one - other.numpy()).max() < 1e-2
