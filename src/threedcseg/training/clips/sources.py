"""From the data sources of a recipe to training clips, and from a clip back to its files."""

import difflib
from dataclasses import replace
from pathlib import Path
from typing import SupportsIndex, overload

from threedcseg.datasets.registry import Dataset, open_dataset
from threedcseg.datasets.sequence import Sequence
from threedcseg.errors import InputError
from threedcseg.training.clips.dataset import ClipDataset, SyntheticClips, VideoClips
from threedcseg.training.recipe import DataSource, Recipe, Source, Stage

Clips = VideoClips | SyntheticClips


def open_source(data: str | Path, source: DataSource) -> Dataset:
    """Read the names of a source's files below the folder ``data``.

    Raises `InputError` where they are not as they should be, or the split is empty.
    """
    options = dict(source.options)
    if source.resolution is not None:
        options["resolution"] = source.resolution
    root = Path(data) / source.root
    dataset = open_dataset(source.kind, root, source.split, **options)
    if not dataset.sequences:
        raise InputError(
            f"{root}: the split {dataset.split!r} is empty; `3dcseg data check {root}` says what "
            "is there"
        )
    names = {sequence.name for sequence in dataset.sequences}
    for name in (*source.only, *source.without):
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0)
            raise InputError(
                f"{root}: no sequence {name!r} in the split {dataset.split!r}; did you mean "
                f"{near[0]!r}?"
            )
    kept = (names & set(source.only or names)) - set(source.without)
    if not kept:
        raise InputError(f"{root}: only and without leave no sequence of {dataset.split!r}")
    return replace(dataset, sequences=[s for s in dataset.sequences if s.name in kept])


def stage_clips(recipe: Recipe, stage: Stage, seed: int) -> ClipDataset:
    """The endless clips of a stage."""
    sources = [(source.weight, _clips(recipe.data, source)) for source in stage.sources]
    return ClipDataset(sources, stage.clip_length, stage.size, stage.augmentation, seed)


def clip_files(clips: ClipDataset, number: int) -> list[Path]:
    """The frames that clip ``number`` is made from, found by drawing it once more."""
    read: dict[Path, None] = {}  # in order, each once

    def watched(sequence: Sequence) -> Sequence:
        return replace(sequence, frames=_Watched(sequence.frames, read))

    def watched_stills(source: SyntheticClips) -> SyntheticClips:
        return replace(source, stills=[watched(s) for s in source.stills])

    def watched_video(source: VideoClips) -> VideoClips:
        around = source.surroundings and watched_stills(source.surroundings)
        sequences = [watched(s) for s in source.sequences]
        return replace(source, sequences=sequences, surroundings=around)

    again = [
        watched_stills(source) if isinstance(source, SyntheticClips) else watched_video(source)
        for source in clips.sources
    ]
    shares = zip(clips.shares.tolist(), again, strict=True)
    ClipDataset(list(shares), clips.clip_length, clips.size, clips.augmentation, clips.seed)[number]
    return list(read)


def _clips(data: str, source: Source) -> Clips:
    dataset = open_source(data, source)
    if dataset.stills:
        return SyntheticClips(dataset.sequences, source.motion, source.separate, source.scene)
    around = None
    if source.surroundings is not None:
        stills = open_source(data, source.surroundings)
        if not stills.stills:
            raise InputError(
                f"surroundings: {source.surroundings.kind} is video; name a data set of stills"
            )
        around = SyntheticClips(stills.sequences, source.motion, 1.0, source.scene)
    return VideoClips(dataset.sequences, source.spans, source.reverse, source.transplant, around)


class _Watched(tuple[Path, ...]):
    """The frames of a sequence, which note down those that are asked for."""

    read: dict[Path, None]

    def __new__(cls, frames: tuple[Path, ...], read: dict[Path, None]) -> "_Watched":
        watched = super().__new__(cls, frames)
        watched.read = read
        return watched

    @overload
    def __getitem__(self, key: SupportsIndex) -> Path: ...

    @overload
    def __getitem__(self, key: slice) -> tuple[Path, ...]: ...

    def __getitem__(self, key: SupportsIndex | slice) -> Path | tuple[Path, ...]:
        item = super().__getitem__(key)
        if isinstance(item, Path):
            self.read[item] = None
        return item
