import cv2
import numpy as np
import pytest
import torch

from threedcseg.training.clips.appearance import (
    QUANTISATION,
    Appearance,
    Look,
    blurred,
    changed,
    coloured,
    compressed,
    look,
    sprayed,
)
from threedcseg.training.clips.draw import Draw

NOTHING = Look(gamma=1, saturation=1, contrast=1, gain=np.ones((3, 3)), seed=0)


@pytest.fixture
def clips():
    """Two clips of three frames of 32x48, smooth, (n, T, H, W, 3)."""
    rng = np.random.default_rng(0)
    frames = [cv2.resize(rng.random((6, 8, 3)), (48, 32)) for _ in range(6)]
    return torch.from_numpy(np.stack(frames).astype(np.float32)).unflatten(0, (2, 3))


def on(*values):
    return torch.tensor(values, dtype=torch.float32)


def test_colours_are_those_of_the_slow_version(clips):
    gain = torch.rand(2, 3, 3) + 0.5
    found = coloured(clips, on(0.8, 1.3), on(0.0, 1.5), on(1.2, 0.7), gain).numpy()
    for number, (gamma, saturation, contrast) in enumerate([(0.8, 0, 1.2), (1.3, 1.5, 0.7)]):
        clip = np.maximum(clips[number].numpy(), 1e-4) ** gamma
        for frame in clip:
            for pixel in frame.reshape(-1, 3):
                gray = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]
                pixel[:] = gray + saturation * (pixel - gray)
        clip = clip.mean() + contrast * (clip - clip.mean())
        expected = clip * gain[number].numpy()[:, None, None]
        assert found[number] == pytest.approx(expected, abs=1e-5)


def test_blur_goes_towards_half_the_resolution(clips):
    found = blurred(clips, on(0.0, 1.0))
    assert torch.equal(found[0], clips[0])
    for frame, before in zip(found[1].numpy(), clips[1].numpy(), strict=True):
        half = cv2.resize(before, (24, 16), interpolation=cv2.INTER_AREA)
        expected = cv2.resize(half, (48, 32), interpolation=cv2.INTER_LINEAR)
        assert frame == pytest.approx(expected, abs=1e-5)


def plainly_compressed(frame, quality):
    """JPEG's loss, block by block: ``(H, W, 3)`` in [0, 1]; sides are multiples of 16."""
    ycc = cv2.cvtColor(frame.astype(np.float32), cv2.COLOR_RGB2YCrCb) * 255
    luma, red, blue = (ycc[..., i].copy() for i in range(3))
    size = luma.shape[::-1]
    red, blue = (
        cv2.resize(p, (size[0] // 2, size[1] // 2), interpolation=cv2.INTER_AREA)
        for p in (red, blue)
    )
    strength = 50 / quality if quality < 50 else 2 - quality / 50
    for plane, table, middle in ((luma, 0, 128), (red, 1, 127.5), (blue, 1, 127.5)):
        step = np.maximum(QUANTISATION[table] * strength, 1)
        for y in range(0, plane.shape[0], 8):
            for x in range(0, plane.shape[1], 8):
                window = slice(y, y + 8), slice(x, x + 8)
                cosines = cv2.dct(np.ascontiguousarray(plane[window]) - middle)
                plane[window] = cv2.idct(np.round(cosines / step) * step) + middle
    red, blue = (cv2.resize(p, size, interpolation=cv2.INTER_NEAREST) for p in (red, blue))
    out = cv2.cvtColor((np.dstack([luma, red, blue]) / 255).astype(np.float32), cv2.COLOR_YCrCb2RGB)
    return np.clip(out, 0, 1)


@pytest.mark.parametrize("qualities", [(5.0, 30.0), (60.0, 90.0)])
def test_compression_is_that_of_the_slow_version(clips, qualities):
    found = compressed(clips, on(*qualities)).numpy()
    for number, quality in enumerate(qualities):
        for frame, before in zip(found[number], clips[number].numpy(), strict=True):
            expected = plainly_compressed(before, quality)
            # Where a cosine lies between two steps, rounding may go either way.
            assert np.abs(frame - expected).mean() < 0.003
    assert np.abs(found[0] - clips[0].numpy()).mean() > np.abs(found[1] - clips[1].numpy()).mean()


def test_sides_need_not_be_multiples_of_a_block(clips):
    odd = clips[:, :, :25, :37]
    found = compressed(odd, on(90.0, 90.0))
    assert found.shape == odd.shape
    assert (found - odd).abs().mean() < 0.04


def test_spray_lies_about_the_foot_of_what_moves():
    frames, masks = torch.zeros(1, 4, 60, 80, 3), torch.zeros(1, 4, 60, 80)
    masks[:, :, 20:40, 10:30] = 1
    noise = torch.ones(1, 2, 9, 16)
    how = on([0.1, 0.0]), on(0.5), on(0.7), on([1.0, 0.9, 0.8])
    found = sprayed(frames, masks, noise, *how, torch.zeros(1, 4, 60, 80))[0]
    assert 0.5 < found.max() <= 0.7 + 1e-6  # never opaque
    brightest = np.unravel_index(int(found[0, ..., 0].argmax()), (60, 80))
    assert 30 <= brightest[0] <= 45 and 10 <= brightest[1] <= 30
    assert found[:, :, 60:].max() < 0.01  # far from it there is none
    assert torch.allclose(found[..., 1], found[..., 0] * 0.9)


def test_a_look_without_changes_changes_nothing(clips):
    found = changed(clips.clone(), torch.zeros(clips.shape[:4]), [NOTHING, NOTHING])
    torch.testing.assert_close(found, clips.clamp(1e-4, 1))


def test_looks_do_not_depend_on_what_is_changed_with_them(clips):
    what = Appearance(blur=0.7, grain=0.7, compression=0.7, spray=0.7)
    masks = torch.zeros(clips.shape[:4])
    masks[:, :, 8:20, 10:30] = 1
    for seed in range(5):
        looks = [look(Draw(seed, i), what, 3, moves=True) for i in range(2)]
        together = changed(clips.clone(), masks, looks)
        for number in range(2):
            part = slice(number, number + 1)
            alone = changed(clips[part].clone(), masks[part], looks[part])
            torch.testing.assert_close(together[part], alone, rtol=1e-4, atol=1e-4)


def test_looks_are_drawn_as_often_as_wanted():
    what = Appearance(gray=1.0, blur=0.0, grain=1.0, compression=1.0, quality=(7, 7), spray=1.0)
    drawn = [look(Draw(seed), what, 4, moves=seed > 0) for seed in range(2)]
    assert all(one.saturation == 0 and one.blur is None and one.grain is not None for one in drawn)
    assert drawn[0].quality == pytest.approx(7)
    assert drawn[0].spray is None and drawn[1].spray is not None  # only where something moves
    assert drawn[0].gain.shape == (4, 3)
    assert drawn[0].gamma != drawn[1].gamma
