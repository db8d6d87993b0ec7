"""Batches of clips, prepared ahead by worker processes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader, Dataset, default_collate

from threedcseg.allocation import keep_freed_memory
from threedcseg.errors import InputError
from threedcseg.training.batch import Batch
from threedcseg.training.clips.dataset import ClipDataset
from threedcseg.training.clips.sources import stage_clips
from threedcseg.training.distributed import World
from threedcseg.training.preparation import clips_at_once
from threedcseg.training.recipe import Recipe

FOREVER = 10**12  # steps, of a stage that the clock ends


@dataclass(frozen=True)
class ClipLoader:
    """The batches of a recipe (`Batches`), of which process ``r`` of ``n`` gets clips r, r + n, ...

    A clip is a pure function of the recipe's seed, the stage and the clip's number.
    """

    recipe: Recipe
    world: World
    workers: int = 0
    pin_memory: bool = False

    def __call__(self, stage: int, done: int) -> Iterator[Batch]:
        given = self.recipe.stages[stage]
        clips = stage_clips(self.recipe, given, 1000 * self.recipe.seed + stage)
        first, end = done * given.batch_size, (given.steps or FOREVER) * given.batch_size
        share = clips_at_once(self.recipe, given, self.world) * self.recipe.accumulate
        return self._load(clips, range(first + self.world.rank, end, self.world.size), share)

    def _load(self, clips: ClipDataset, numbers: range, share: int) -> Iterator[Batch]:
        loader = DataLoader(
            _OrError(clips),
            share,
            sampler=numbers,
            num_workers=self.workers,
            prefetch_factor=4 if self.workers else None,
            pin_memory=self.pin_memory,
            collate_fn=_collate,
            worker_init_fn=_begin,
        )
        for batch in loader:
            if isinstance(batch, InputError):
                raise batch
            yield batch


def _begin(worker: int) -> None:
    keep_freed_memory()


class _OrError(Dataset[Any]):
    """Hands over an `InputError` as an item: raised in a worker it would become a traceback."""

    def __init__(self, clips: ClipDataset) -> None:
        self.clips = clips

    def __getitem__(self, index: int) -> Any:
        try:
            return self.clips[index]
        except InputError as error:
            return error


def _collate(items: list[Any]) -> Batch | InputError:
    for item in items:
        if isinstance(item, InputError):
            return item
    frames, masks, sources = zip(*items, strict=True)
    return Batch(default_collate(list(frames)), default_collate(list(masks)), sources)
