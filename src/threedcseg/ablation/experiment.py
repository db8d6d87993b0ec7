"""Train and measure the rows of a table, as far as data, weights and recipes are there."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from threedcseg.ablation.tables import PARAMETERS, SECONDS_A_CLIP, SECONDS_A_FRAME, Row, Table
from threedcseg.atomic import replacing
from threedcseg.errors import InputError
from threedcseg.evaluation.predict import score_sequences
from threedcseg.inference.predictor import Network
from threedcseg.inference.settings import Settings
from threedcseg.models import complexity
from threedcseg.models.device import pick_device
from threedcseg.models.fast.prepare import prepare_for_inference
from threedcseg.models.loading import load_model
from threedcseg.models.registry import ENCODERS
from threedcseg.models.weights import load_weights
from threedcseg.published import TABLE_1
from threedcseg.reading import read_json
from threedcseg.segmentation.timing import seconds_a_frame, time_clip
from threedcseg.training.clips.sources import open_source
from threedcseg.training.dry_run import check_inputs
from threedcseg.training.recipe import DataSource, InitialWeights, Recipe, Stage, plain, read_recipe
from threedcseg.training.train import train

Figures = Mapping[str, float]

FORMAT = 2
"""Of the files of figures; those of another are measured anew."""


@dataclass(frozen=True)
class MeasuredRow:
    """What came of a row: its figures, or why it was left out."""

    row: Row
    figures: Figures
    steps: int = 0
    left_out: str = ""


@dataclass(frozen=True)
class Ablation:
    """Where things are, and on what they run.

    ``recipes``: the folder of recipe files. ``data``: the folder that their data roots are relative
    to; None: as they say. ``out`` gets a folder a recipe, with the training run, and the figures.
    ``tiny`` rehearses: the recipes as they are but for a narrow decoder, few pixels and two steps.
    ``size``: of the clips that are timed, height and width.
    """

    recipes: Path
    out: Path
    data: Path | None = None
    tiny: bool = False
    device: str = "auto"
    workers: int = 1
    repeats: int = 3
    size: tuple[int, int] = (480, 864)

    def rows(self, table: Table, tell: Callable[[str], None] = print) -> Iterator[MeasuredRow]:
        """Measure one row after the other; what was done before is not done again.

        A row whose recipe, data or initial weights are not there is left out. Raises `InputError`
        where training or scoring fails.
        """
        for row in table.rows:
            if row.encoder is not None:
                tell(f"{row.label}: timing")
                yield MeasuredRow(row, self._timed_encoder(row.encoder))
                continue
            try:
                recipe = self._recipe(row)
            except InputError as error:
                tell(f"{row.label}: left out; {error}")
                yield MeasuredRow(row, {}, left_out=str(error))
                continue
            if absent := self._unfilled(row):
                tell(f"{row.label}: no file {absent}; rehearsed from random weights")
            timed = SECONDS_A_FRAME in table.figures
            yield MeasuredRow(row, self._figures(row, recipe, timed, tell), recipe.steps or 0)

    def plan(self, table: Table) -> Iterator[tuple[Row, str]]:
        """Each row and what would be done for it, without doing it."""
        for row in table.rows:
            if row.encoder is not None:
                yield row, f"time the encoder {row.encoder}"
                continue
            try:
                recipe = self._recipe(row)
            except InputError as error:
                yield row, f"left out: {error}"
                continue
            done = self._trained(recipe)
            yield row, f"trained: {done}" if done else f"train {row.recipe}, {recipe.steps} steps"

    def _recipe(self, row: Row) -> Recipe:
        """What ``row`` trains; raises `InputError` where something that it needs is not there."""
        recipe = read_recipe(self.recipes / f"{row.recipe}.yaml")
        if self.data is not None:
            recipe = dataclasses.replace(recipe, data=str(self.data))
        if self.tiny:
            recipe = shrunk(recipe)
        if recipe.validation is None:
            raise InputError(
                f"{row.recipe}.yaml: no validation, which says what is scored", "add it"
            )
        check_inputs(recipe)
        open_source(recipe.data, _scored_data(row, recipe))
        return recipe

    def _unfilled(self, row: Row) -> str | None:
        """The encoder's weights that a row begins with and a rehearsal has to do without."""
        wanted = read_recipe(self.recipes / f"{row.recipe}.yaml").initial_weights.encoder
        return wanted if self.tiny and wanted is not None and not Path(wanted).is_file() else None

    def _trained(self, recipe: Recipe) -> Path | None:
        """Weights of the very same training, by whatever name, if there are any."""
        wanted = json.dumps(plain(_training(recipe)))
        for path in sorted(self.out.glob("*/model.safetensors")):
            if load_weights(path)[1].get("recipe") == wanted:
                return path
        return None

    def _figures(
        self, row: Row, recipe: Recipe, timed: bool, tell: Callable[[str], None]
    ) -> Figures:
        """The figures of a row, from its file if there is one that is of the same."""
        weights = self._trained(recipe)
        if weights is None:
            tell(f"{row.label}: training {row.recipe}")
            folder = self.out / (row.recipe or "")
            training = _training(recipe)
            weights = train(training, folder, device=self.device, workers=self.workers)
        assert recipe.validation is not None
        settings = dataclasses.replace(recipe.validation.settings, **row.settings)
        measured = {
            "format": FORMAT,
            "protocol": row.protocol,
            "probabilities": row.probabilities,
            "settings": dataclasses.asdict(settings),
            "data": plain(_scored_data(row, recipe)),
            "timed": self.size if timed else None,
        }
        key = hashlib.sha256(json.dumps(measured, sort_keys=True).encode()).hexdigest()[:8]
        path = weights.parent / f"figures-{key}.json"
        if path.exists() and path.stat().st_mtime >= weights.stat().st_mtime:
            return dict(read_json(path)["figures"])
        tell(f"{row.label}: scoring")
        network = load_model(str(weights), self.device)
        sequences = open_source(recipe.data, _scored_data(row, recipe)).sequences
        result = score_sequences(
            sequences, network, settings, row.protocol, probabilities=row.probabilities
        )
        figures = dict(result.overall)
        if timed:
            figures[SECONDS_A_FRAME.name] = self._seconds(network, settings)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps({**measured, "figures": figures}, indent=2))
        return figures

    def _seconds(self, network: Network, settings: Settings) -> float:
        """Seconds of network for each frame that a window adds."""
        assert isinstance(network, torch.nn.Module)
        device = pick_device(self.device)
        clip = settings.clip_length
        timing = time_clip(network, clip, self.size, device, torch.float32, self.repeats)
        return seconds_a_frame(timing.median, clip, settings.overlap)

    def _timed_encoder(self, name: str) -> Figures:
        device = pick_device(self.device)
        ready = prepare_for_inference(ENCODERS.build(name)).to(device)
        timing = time_clip(ready, 8, self.size, device, torch.float32, self.repeats)
        counted, numbers = TABLE_1[name].counted, complexity.of_encoder(name)
        parameters = numbers.convolutions if counted == "conv" else numbers.parameters
        if counted == "+stats":
            parameters += numbers.statistics
        return {SECONDS_A_CLIP.name: timing.median, PARAMETERS.name: parameters / 1e6}


def _training(recipe: Recipe) -> Recipe:
    """The recipe without what is scored, which is done once, at the end."""
    return dataclasses.replace(recipe, validation=None)


def _scored_data(row: Row, recipe: Recipe) -> DataSource:
    source = recipe.validation if row.data is None else DataSource(**row.data)
    assert source is not None
    return source


def shrunk(recipe: Recipe) -> Recipe:
    """The same data, stages, encoder, blocks and clip lengths; few channels, pixels and steps.

    Its encoder starts from its own weights where they are there. What goes wrong with data and
    disks shows within minutes; figures mean nothing.
    """

    def small(stage: Stage) -> Stage:
        return dataclasses.replace(
            stage, size=(32, 64), steps=min(stage.steps, 2), batch_size=1, warmup=0
        )

    validation = recipe.validation
    if validation is not None:
        settings = dataclasses.replace(validation.settings, short_edge=32, multiple=16, pad=False)
        validation = dataclasses.replace(validation, settings=settings)
    encoder = recipe.initial_weights.encoder
    there = encoder if encoder is not None and Path(encoder).is_file() else None
    return dataclasses.replace(
        recipe,
        model={**recipe.model, "channels": 8},
        stages=tuple(small(stage) for stage in recipe.stages),
        initial_weights=InitialWeights(encoder=there),
        precision="float32",
        validation=validation,
    )
