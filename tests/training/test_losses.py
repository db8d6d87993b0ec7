import pytest
import torch
from torch.nn import functional as F

from threedcseg.errors import InputError
from threedcseg.training.losses import (
    LOSSES,
    boundary,
    cross_entropy,
    dice,
    foreground_logits,
    weighted_loss,
)

MASKS = torch.zeros(1, 1, 2, 16, 16)
MASKS[..., 4:12, 4:12] = 1


def test_two_channels_become_log_odds():
    logits = torch.randn(1, 2, 3, 4, 5)
    expected = logits.softmax(1)[:, 1:]
    assert torch.allclose(foreground_logits(logits).sigmoid(), expected, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_the_right_answer_costs_least(name):
    right = (MASKS * 2 - 1) * 10
    assert LOSSES[name](right, MASKS) < 0.01
    assert LOSSES[name](-right, MASKS) > 0.9


def test_dice_leaves_out_frames_without_foreground():
    masks = MASKS.clone()
    masks[:, :, 0] = 0
    logits = torch.randn(1, 1, 2, 16, 16)
    assert dice(logits, masks) == dice(logits[:, :, 1:], masks[:, :, 1:])
    assert dice(logits, torch.zeros_like(masks)) == 0


def test_dice_is_a_mean_over_the_frames_with_foreground():
    masks = MASKS.repeat(1, 1, 2, 1, 1)
    masks[:, :, 2:] = 0
    wrong = -(masks * 2 - 1) * 20
    assert dice(wrong, masks) == pytest.approx(1, abs=1e-3)  # of two frames of four


def test_void_pixels_get_no_gradient():
    masks = MASKS.clone()
    masks[..., :3] = 127 / 255
    logits = torch.zeros(1, 2, 2, 16, 16, requires_grad=True)
    weighted_loss({"cross_entropy": 1.0, "dice": 1.0})(logits, masks).backward()
    assert not logits.grad[..., :3].any()
    assert logits.grad[..., 3:].ne(0).all()


def test_boundary_looks_at_the_edge_only():
    logits = torch.randn(1, 1, 2, 16, 16)
    far = logits.clone()
    far[..., 8, 8] += 5  # the middle of the object
    assert boundary(logits, MASKS) == boundary(far, MASKS)
    assert cross_entropy(logits, MASKS) != cross_entropy(far, MASKS)


def test_weights_add_up():
    logits = torch.randn(1, 1, 2, 16, 16)
    both = weighted_loss({"cross_entropy": 1.0, "dice": 0.5})(logits, MASKS)
    expected = F.binary_cross_entropy_with_logits(logits, MASKS) + 0.5 * dice(logits, MASKS)
    assert torch.allclose(both, expected)


def test_an_unknown_loss_is_named():
    with pytest.raises(InputError, match="unknown loss 'focal'"):
        weighted_loss({"focal": 1.0})


def test_near_an_edge_pixels_count_more():
    """Against the loss frame by frame, in plain loops over what the weights mean."""
    masks = torch.zeros(1, 1, 2, 32, 32)
    masks[:, :, 0, 8:24, 8:24] = 1
    logits = torch.randn(masks.shape, generator=torch.Generator().manual_seed(0))
    expected = []
    for logit, mask in zip(logits[0, 0], masks[0, 0], strict=True):
        cells = mask.reshape(8, 4, 8, 4).mean((1, 3))
        around = torch.empty(8, 8)
        for y in range(8):
            for x in range(8):
                around[y, x] = cells[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4].mean()
        around = F.interpolate(around[None, None], (32, 32), mode="bilinear")[0, 0]
        weight = 1 + 5 * (around - mask).abs()
        p = logit.sigmoid()
        entropy = -(mask * p.log() + (1 - mask) * (1 - p).log())
        overlap, total = (weight * p * mask).sum(), (weight * (p + mask)).sum()
        jaccard = (overlap + 1) / (total - overlap + 1)
        expected.append((weight * entropy).sum() / weight.sum() + 1 - jaccard)
    found = LOSSES["edges"](logits, masks)
    assert found.item() == pytest.approx(torch.stack(expected).mean().item(), abs=1e-5)
