import dataclasses

import cv2
import numpy as np
import pytest
from made_footage import canvases, still, video

from threedcseg.errors import InputError
from threedcseg.training.clips.draw import Draw
from threedcseg.training.clips.layers import Composition, Framing, Mix, Planner, chosen_frames
from threedcseg.training.clips.rendering import render, window_of
from threedcseg.training.clips.stock import Stock

SIZE = (48, 80)
NOTHING = Composition(**{f.name: 0.0 for f in dataclasses.fields(Composition)})


@pytest.fixture(scope="module")
def stock():
    held = canvases(
        *(still(f"disc-{i}", i, colour=(250, 20 * i, 10)) for i in range(8)), video("v")
    )
    return Stock(held, [1.0] * 9)


def planner(stock, **composition):
    what = dataclasses.replace(NOTHING, **composition)
    return Planner(stock, 8, SIZE, Mix(1, 1, 1, composition=what))


def masks(stock, plan):
    return render(stock.canvases, [plan.layers], SIZE)[0, ..., 3].numpy()


@pytest.mark.parametrize(
    ("step", "stride", "apart"), [(1, 1, 1), (1, 3, 3), (3, 6, 6), (3, 1, 3), (1, 8, 39 / 7)]
)
def test_frames_have_the_strides_that_are_asked_for(step, stride, apart):
    """Or those of the source, where its frames lie further apart."""
    numbers = np.arange(40) * step
    framing = Framing(strides=(stride,), reverse=0.0)
    even = 0
    for seed in range(40):
        chosen = numbers[chosen_frames(Draw(seed), numbers, 8, framing)]
        assert (np.diff(chosen) > 0).all() and chosen[-1] - chosen[0] <= 7 * apart
        even += bool((abs(np.diff(chosen) - apart) < 1).all())
    assert even == 40 if apart == step else 10 <= even < 35
    backwards = chosen_frames(Draw(0), numbers, 8, dataclasses.replace(framing, reverse=1.0))
    assert (np.diff(backwards) <= 0).all()


def test_short_sequences_have_smaller_strides():
    framing = Framing(strides=(8,), reverse=0.0)
    for seed in range(20):
        chosen = chosen_frames(Draw(seed), np.arange(15), 8, framing)
        assert chosen.min() >= 0 and chosen.max() <= 14
        short = chosen_frames(Draw(seed), np.array([4, 7, 10]), 8, framing)
        assert short.min() >= 0 and short.max() <= 2
    every = {tuple(chosen_frames(Draw(s), np.arange(15), 8, framing)) for s in range(20)}
    assert tuple(range(0, 15, 2)) in every


def test_the_object_of_a_still_stays_in_its_mask(stock):
    """Discs of one colour: wherever there is that colour, there is the mask, and nowhere else."""
    for seed in range(5):
        plan = planner(stock).still(Draw(seed))
        (layer,) = plan.layers
        frames = render(stock.canvases, [plan.layers], SIZE)[0].numpy()
        number = int(plan.sources[0].split("-")[1])
        colour = np.array([250, 20 * number, 10]) / 255
        inside = (np.abs(frames[..., :3] - colour) < 0.02).all(-1)
        assert layer.is_object and 0.01 < frames[..., 3].mean() < 0.6
        for disc, mask in zip(inside, frames[..., 3].astype(np.uint8), strict=True):
            cross = np.ones((5, 5), np.uint8)
            inner = cv2.erode(mask, cross, borderType=cv2.BORDER_CONSTANT, borderValue=0)
            assert disc[inner > 0].all()
            assert disc[cv2.dilate(mask, cross) == 0].mean() < 0.01  # clouds have many colours
        assert plan.look.spray is None


def test_of_a_scene_only_what_moves_is_meant(stock):
    for seed in range(10):
        alone = planner(stock).scene(Draw(seed))
        assert [layer.is_object for layer in alone.layers] == [False, True]
        assert masks(stock, alone).any()
    full = planner(stock, twins=1.0, crowd=1.0, bystanders=1.0, occluders=1.0, lines=1.0)
    for seed in range(10):
        plan = full.scene(Draw(seed))
        meant = [layer for layer in plan.layers if layer.is_object]
        assert len(meant) == 1 and len(plan.layers) >= 2 + 1 + 4 + 1 + 1 + 1
        assert sum(layer.line is not None for layer in plan.layers) == 1
        twins = [
            p for p in plan.layers if p.pictures[0] == meant[0].pictures[0] and p is not meant[0]
        ]
        assert twins or meant[0].pictures[0] >= 8


def test_what_stands_moves_as_the_background_does(stock):
    still_life = planner(stock, twins=1.0, crowd=1.0)
    plan = still_life.scene(Draw(4))
    background, others = plan.layers[0], [p for p in plan.layers[1:] if not p.is_object]
    ground = np.linalg.inv(
        np.linalg.inv(square(background.warp.matrix[0])) @ square(background.warp.matrix[7])
    )
    moved = []
    for layer in others:
        path = np.linalg.inv(square(layer.warp.matrix[7])) @ square(layer.warp.matrix[0])
        moved.append(np.abs(path[:2] - ground[:2])[:, :2].max())
    mover = next(p for p in plan.layers if p.is_object)
    path = np.linalg.inv(square(mover.warp.matrix[7])) @ square(mover.warp.matrix[0])
    assert np.median(moved) < 0.1 < np.abs(path[:2, 2] - ground[:2, 2]).max()


def square(matrix):
    return np.vstack([matrix, [0, 0, 1]])


def test_some_enter_late_or_leave_early(stock):
    late = planner(stock, late=1.0)
    away = []
    for seed in range(12):
        there = masks(stock, late.scene(Draw(seed))).any((1, 2))
        away.append((not there[0], not there[-1]))
        assert there.any()
    assert any(first for first, _ in away) and any(last for _, last in away)


def test_companions_move_on_ways_of_their_own(stock):
    plan = planner(stock, companions=1.0).scene(Draw(1))
    one, other = (layer for layer in plan.layers if layer.is_object)
    assert not np.allclose(
        one.warp.matrix[0] - one.warp.matrix[7], other.warp.matrix[0] - other.warp.matrix[7]
    )


def test_movers_may_come_from_videos(stock):
    plan = planner(stock, videos=1.0, twins=1.0).scene(Draw(0))
    mover = next(layer for layer in plan.layers if layer.is_object)
    assert len(set(mover.pictures.tolist())) > 1 and "v" in plan.sources
    twins = [layer for layer in plan.layers if layer.pictures[0] >= 8 and not layer.is_object]
    assert twins and all(len(set(layer.pictures.tolist())) == 1 for layer in twins)
    assert all(window_of(stock.canvases, [twin], SIZE) != (0, 0, 0, 0) for twin in twins)


def test_frames_without_an_object_are_no_measure_for_other_movers():
    """Of a video in which nothing is marked, now or at all, others take no size."""
    for shown in (1, 0):
        sometimes = video("v")
        sometimes.pixels[shown:, ..., 3] = 0
        held = Stock(canvases(*(still(f"d{i}", i) for i in range(3)), sometimes), [1.0] * 4)
        for seed in range(20):
            planned = planner(held, videos=1.0, companions=1.0, twins=1.0).scene(Draw(seed))
            assert all(np.isfinite(layer.warp.matrix).all() for layer in planned.layers)


def test_a_standing_camera_is_set_in_motion(stock):
    held = canvases(*(still(f"d{i}", i) for i in range(3)), video("v"))
    standing = [dataclasses.replace(e, static=True) for e in held.entries]
    held.entries = tuple(standing)
    plan = Planner(Stock(held, [1.0] * 4), 8, SIZE, Mix(1, framing=Framing(camera=0.0))).video(
        Draw(0)
    )
    assert not np.allclose(plan.layers[0].warp.matrix[0], plan.layers[0].warp.matrix[7])
    plan = Planner(stock, 8, SIZE, Mix(1, framing=Framing(camera=0.0))).video(Draw(0))
    assert np.allclose(plan.layers[0].warp.matrix[0], plan.layers[0].warp.matrix[7])


def test_what_is_drawn_how_often(stock):
    held = stock.canvases
    only = Stock(held, [0, 0, 1, 3, 0, 0, 0, 0, 1])
    draw = Draw(0)
    names = [only.still(draw).name for _ in range(400)]
    assert 60 < names.count("disc-2") < 140 and set(names) == {"disc-2", "disc-3"}
    assert only.video(draw).name == "v" and held.entries[8] is only.entry_of(20)
    with pytest.raises(InputError, match="no pictures"):
        Stock(held, [0.0] * 9)


def test_a_mix_needs_its_sources(stock):
    stills = Stock(stock.canvases, [1.0] * 8 + [0.0])
    assert len(Planner(stills, 8, SIZE, Mix(stills=2, scenes=1)).batch(Draw(0))) == 3
    with pytest.raises(InputError, match="a mix with videos, but no source"):
        Planner(stills, 8, SIZE, Mix(videos=1))
    with pytest.raises(InputError, match="0 videos, 0 stills and 0 scenes"):
        Mix()
