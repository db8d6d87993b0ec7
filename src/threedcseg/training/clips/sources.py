"""From the data sources of a recipe to training clips."""

import difflib
import re
from collections.abc import Sequence as Items
from dataclasses import replace
from pathlib import Path

from threedcseg.datasets.registry import Dataset, open_dataset
from threedcseg.errors import InputError
from threedcseg.training.clips.annotated import AnnotatedClips
from threedcseg.training.clips.dataset import ClipDataset
from threedcseg.training.clips.synthetic import SyntheticClips
from threedcseg.training.clips.video import VideoClips
from threedcseg.training.recipe import DataSource, Recipe, Source, Stage


def open_source(data: str | Path, source: DataSource) -> Dataset:
    """Read the names of a source's files below the folder ``data``.

    Raises `InputError` where they are not as they should be, or the split is empty.
    """
    options = dict(source.options)
    root = Path(data) / source.root
    if source.resolution is not None:
        options["resolution"] = resolution_there(root, source.resolution)
    dataset = open_dataset(source.kind, root, source.split, **options)
    if not dataset.sequences:
        raise InputError(
            f"{root}: the split {dataset.split!r} is empty",
            f"`3dcseg data check {root}` says what is there",
        )
    where = f"{root}, split {dataset.split!r}"
    names = kept(source, [sequence.name for sequence in dataset.sequences], where)
    return replace(dataset, sequences=[s for s in dataset.sequences if s.name in names])


def resolution_there(root: Path, wanted: str) -> str:
    """The folder of a DAVIS to read: ``wanted``, such as "288p", or the next larger one that there
    is, whose frames are shrunk as they are read."""
    least = rows_of(wanted)
    if not least or (root / "JPEGImages" / wanted).is_dir():
        return wanted
    names = (path.name for path in (root / "JPEGImages").glob("*p"))
    return min((name for name in names if rows_of(name) > least), key=rows_of, default=wanted)


def rows_of(resolution: str) -> int:
    """288 of "288p"; 0 of a name that says no number."""
    found = re.fullmatch(r"(\d+)p", resolution)
    return int(found[1]) if found else 0


def kept(source: DataSource, names: Items[str], where: str) -> set[str]:
    """Which sequences ``only`` and ``without`` leave of those ``names``.

    Raises `InputError` for one that is not there, and where none is left.
    """
    for name in (*source.only, *source.without):
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0)
            raise InputError(f"{where}: no sequence {name!r}", f"did you mean {near[0]!r}?")
    left = set(source.only or names) - set(source.without)
    if not left:
        raise InputError(f"{where}: only and without leave no sequence", "name fewer")
    return left


def stage_clips(recipe: Recipe, stage: Stage, seed: int) -> ClipDataset:
    """The endless clips of a stage."""
    sources = [(source.weight, _clips(recipe.data, source)) for source in stage.sources]
    return ClipDataset(sources, stage.clip_length, stage.size, stage.augmentation, seed)


def _clips(data: str, source: Source) -> AnnotatedClips:
    dataset = open_source(data, source)
    if dataset.stills:
        return SyntheticClips(dataset.sequences, source.motion, source.separate, source.scene)
    around = None
    if source.surroundings is not None:
        stills = open_source(data, source.surroundings)
        if not stills.stills:
            raise InputError(
                f"surroundings: {source.surroundings.kind} is video", "name a data set of stills"
            )
        around = SyntheticClips(stills.sequences, source.motion, 1.0, source.scene)
    return VideoClips(dataset.sequences, source.spans, source.reverse, source.copy_paste, around)
