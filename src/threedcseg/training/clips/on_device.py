"""The batches of a recipe's stages that have a mix: pictures decoded once, clips made of them."""

import itertools
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import torch

from threedcseg.datasets.packs import Footage, read_footage, read_pack
from threedcseg.errors import InputError
from threedcseg.training.batch import Batch
from threedcseg.training.clips.batches import BatchMaker, batches_ahead
from threedcseg.training.clips.canvases import Canvases
from threedcseg.training.clips.layers import Planner
from threedcseg.training.clips.sources import kept, open_source, rows_of
from threedcseg.training.clips.stock import Stock
from threedcseg.training.distributed import World
from threedcseg.training.recipe import PACK, DataSource, Recipe, Stage


class DeviceBatches:
    """The batches (`Batches`) of all stages with a mix.

    Of each, process ``r`` of ``n`` gets clips r, r + n, ... Batch ``i`` of a stage is a pure
    function of the recipe's seed, the stage and ``i``. What they are made of is read here, once for
    all stages. Raises `InputError` where it cannot be.
    """

    def __init__(self, recipe: Recipe, world: World, device: torch.device) -> None:
        self.recipe, self.world = recipe, world
        self._read: dict[str, tuple[int, int]] = {}  # sources, to entries: first and count
        footage: list[Footage] = []
        for stage in recipe.stages:
            for source in stage.sources if stage.mix is not None else ():
                if key_of(source) not in self._read:
                    found = decoded(recipe.data, source)
                    self._read[key_of(source)] = len(footage), len(found)
                    footage += found
        self.canvases = Canvases(footage, device)

    def __call__(self, stage: int, done: int) -> Iterator[Batch]:
        given = self.recipe.stages[stage]
        assert given.mix is not None
        frames = given.clip_length + 2 * given.context
        planner = Planner(self._stock(given), frames, given.size, given.mix)
        make = BatchMaker(planner, 1000 * self.recipe.seed + stage, given.context)
        share = slice(self.world.rank, None, self.world.size)
        numbers = itertools.islice(
            itertools.count(done), given.steps - done if given.steps else None
        )
        return batches_ahead(lambda number: make(number, share), numbers, self.canvases.device)

    def _stock(self, stage: Stage) -> Stock:
        """Each source as often as its weight says, and in it each sequence as often."""
        weights = [0.0] * len(self.canvases.entries)
        for source in stage.sources:
            first, count = self._read[key_of(source)]
            for index in range(first, first + count):
                weights[index] += source.weight / count
        return Stock(self.canvases, weights)

    def __str__(self) -> str:
        pictures = len(self.canvases.boxes)
        return (
            f"{len(self.canvases.entries)} sequences and stills, {pictures} pictures, "
            f"{self.canvases.pixels.nbytes / 2**30:.1f} GiB on {self.canvases.device}"
        )


def decoded(data: str | Path, source: DataSource) -> list[Footage]:
    """All that a source has with masks, decoded; `InputError` where there is nothing."""
    if source.kind == PACK:
        path = Path(data) / source.root
        footage = read_pack(path)
        names = kept(source, [item.name for item in footage], str(path))
        footage = [item for item in footage if item.name in names]
    else:
        rows = rows_of(source.resolution or "") or None
        footage = read_footage(open_source(data, source).sequences, source.root, rows)
    if not footage:
        raise InputError(f"{Path(data) / source.root}: nothing in it has a mask", "leave it out")
    return footage


def key_of(source: DataSource) -> str:
    """What is read, whatever it is used for."""
    return repr([getattr(source, each.name) for each in fields(DataSource)])
