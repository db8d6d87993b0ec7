from pathlib import Path

import numpy as np
import pytest
import torch
from made_trees import SIZE, box, davis16_tree, davis17_tree, write_frame, write_labels

from threedcseg.datasets.davis import davis16, davis17_unsupervised
from threedcseg.datasets.masks import VOID
from threedcseg.datasets.sequence import Sequence
from threedcseg.errors import InputError
from threedcseg.training.clips.augmentation import Augmentation
from threedcseg.training.clips.dataset import ClipDataset
from threedcseg.training.clips.mask_cache import MaskCache
from threedcseg.training.clips.synthetic import SyntheticClips
from threedcseg.training.clips.video import VideoClips
from threedcseg.training.losses import weighted_loss

STILL = Augmentation(
    scale=(1, 1), stretch=0, flip=0, brightness=0, contrast=0, saturation=0, gray=0, blur=0
)


def draw(source: VideoClips | SyntheticClips, index: int = 0, size=(16, 32)):
    return ClipDataset([(1.0, source)], 4, size, Augmentation(), seed=3)[index]


def test_what_is_remembered_is_what_was_decoded(tmp_path):
    sequences = davis16(davis16_tree(tmp_path, {"bear": 9}))
    fresh, remembering = [], VideoClips(sequences)
    for index in range(12):
        fresh.append(draw(VideoClips(sequences, cache=MaskCache(limit=0)), index))
        draw(remembering, index)
    assert len(remembering.cache._held) == 9
    for index, (frames, masks, _) in enumerate(fresh):
        again_frames, again_masks, _ = draw(remembering, index)
        assert torch.equal(again_frames, frames)
        assert torch.equal(again_masks, masks)


def test_clips_differ_from_number_to_number_and_not_from_run_to_run(tmp_path):
    source = VideoClips(davis16(davis16_tree(tmp_path, {"bear": 9})))
    clips = [draw(source, index)[0] for index in range(6)]
    assert all(torch.equal(clip, draw(source, index)[0]) for index, clip in enumerate(clips))
    assert not any(torch.equal(clips[0], clip) for clip in clips[1:])


def test_only_frames_with_masks_are_drawn(tmp_path):
    root = davis16_tree(tmp_path, {"bear": 300})
    for path in sorted((root / "Annotations" / "480p" / "bear").iterdir()):
        if int(path.stem) % 20:
            path.unlink()
    for path in (root / "JPEGImages" / "480p" / "bear").iterdir():
        if int(path.stem) % 20:
            path.write_bytes(b"never read")
    source = VideoClips(davis16(root))
    for index in range(20):
        assert draw(source, index)[1].shape == (1, 4, 16, 32)


def test_void_stays_void_through_cropping_and_reduction(tmp_path):
    """A frame decoded at half size, its mask's left half object, right half void."""
    labels = np.ones((64, 128), np.uint8)
    labels[:, 64:] = 255
    for i in range(2):
        write_frame(tmp_path / "JPEGImages" / "480p" / "dog" / f"{i:05d}.jpg", (64, 128))
        folder = tmp_path / "Annotations_unsupervised" / "480p" / "dog"
        write_labels(folder / f"{i:05d}.png", labels, "P")
    (tmp_path / "ImageSets" / "2017").mkdir(parents=True)
    (tmp_path / "ImageSets" / "2017" / "train.txt").write_text("dog\n")
    source = VideoClips(davis17_unsupervised(tmp_path))
    _, masks, _ = source.draw(2, (32, 64), STILL, np.random.default_rng(0))
    assert (masks[:, :, :31] == 255).all()
    assert (masks[:, :, 33:] == VOID).all()


def test_void_pixels_teach_nothing(tmp_path):
    source = VideoClips(davis17_unsupervised(davis17_tree(tmp_path), "val"))
    _, masks, _ = ClipDataset([(1.0, source)], 2, SIZE, STILL, seed=0)[0]
    assert set(masks.unique().tolist()) == {0, VOID, 255}
    logits = torch.randn(1, 1, *masks.shape[1:], requires_grad=True)
    loss = weighted_loss({"cross_entropy": 1.0, "dice": 1.0, "boundary": 1.0})
    loss(logits, masks[None].float() / 255).backward()
    void = masks[None] == VOID
    assert (logits.grad[void] == 0).all()
    assert (logits.grad[~void] != 0).any()


def still(path: Path) -> Sequence:
    return Sequence("a", (write_frame(path / "a.jpg"),), (write_labels(path / "a.png"),))


def test_a_mask_of_another_size_is_refused(tmp_path):
    sequence = still(tmp_path)
    write_labels(tmp_path / "a.png", box(size=(24, 80)))
    for source in (VideoClips([sequence]), SyntheticClips([sequence])):
        with pytest.raises(InputError, match=r"a\.png: the mask is 80x24, its frame a\.jpg of"):
            draw(source)


def test_a_source_without_masks_is_refused_before_training_starts(tmp_path):
    bare = Sequence("bare", (write_frame(tmp_path / "a.jpg"),), (None,))
    for kind in (VideoClips, SyntheticClips):
        with pytest.raises(InputError, match="no sequences to draw clips from: check"):
            kind([])
        with pytest.raises(InputError, match="'bare': none of its 1 frames has a mask: complete"):
            kind([still(tmp_path / "x"), bare])


def test_empty_masks_make_clips_without_foreground(tmp_path):
    sequence = still(tmp_path)
    write_labels(tmp_path / "a.png", box(0))
    for source in (VideoClips([sequence]), SyntheticClips([sequence], separate=1.0)):
        assert not draw(source)[1].any()
