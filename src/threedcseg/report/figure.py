"""Grids of overlays, sequences by frames, as in Figures 1, 4, 5 and 6 of the paper."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from threedcseg.atomic import replacing
from threedcseg.errors import InputError
from threedcseg.evaluation.pairing import find_predictions, match
from threedcseg.evaluation.reading import read_values
from threedcseg.extras import package
from threedcseg.metrics.maps import to_mask
from threedcseg.outputs.overlay import overlay
from threedcseg.report.pictures import shrink
from threedcseg.video.images import read_image
from threedcseg.video.paths import list_images

CELL_WIDTH = 480
"""Of an overlay, in pixels, at most."""

PAGE_INCHES = 7.0
_GAP = 0.02  # between cells, in inches
_LABEL_INCHES = 0.22
FORMATS = (".png", ".pdf")

Row = tuple[str, list[np.ndarray]]
"""A sequence's name and its overlays, ``(H, W, 3)`` uint8 RGB."""


def grid(
    frames: Path, masks: Path, sequences: Sequence[str] | None = None, count: int = 5
) -> list[Row]:
    """Overlays of ``count`` frames of each sequence, evenly spaced, the first and last included.

    Args:
        frames: folder of ``SEQ/*.jpg``, or of the frames of one sequence.
        masks: folder of ``SEQ/*.png`` or ``.npy`` (masks or probability maps), or of one sequence.
        sequences: which, and in which order; by default all that have masks.
        count: frames of each; one alone is the middle one.

    Raises:
        InputError: a folder, sequence or mask is missing, a file cannot be read, sizes differ, or
            a sequence has fewer frames.
    """
    if count < 1:
        raise InputError(f"{count} frames a sequence", "give 1 or more")
    if not frames.is_dir():
        raise InputError(f"{frames}: no such folder of frames", "check the path")
    folders = _sequence_folders(frames)
    names = _choose(folders, masks) if sequences is None else list(sequences)
    unknown = next((name for name in names if name not in folders), None)
    if unknown is not None or not names:
        raise InputError(f"{frames}: no frames of {unknown or 'any sequence'}", "check the names")
    found = find_predictions(masks, names)
    bare = next((name for name in names if name not in found), None)
    if bare is not None:
        raise InputError(
            f"{masks}: no masks of {bare}", "complete them, or choose with --sequences"
        )
    return [(name, _row(name, folders[name], found[name].maps, count)) for name in names]


def _sequence_folders(frames: Path) -> dict[str, Path]:
    if list_images(frames):
        return {frames.resolve().name: frames}
    folders = (folder for folder in sorted(frames.iterdir()) if folder.is_dir())
    return {folder.name: folder for folder in folders if list_images(folder)}


def _choose(folders: dict[str, Path], masks: Path) -> list[str]:
    """The sequences that have masks, or the only one there is."""
    names = [name for name in folders if (masks / name).is_dir()]
    return names or (list(folders) if len(folders) == 1 else [])


def _row(name: str, folder: Path, maps: Mapping[str, Path], count: int) -> list[np.ndarray]:
    images = {path.stem: path for path in list_images(folder)}
    masks = match(images, maps)
    frames = list(images)
    if len(frames) < count:
        raise InputError(f"{folder} has {len(frames)} frames, {count} were asked for", "give fewer")
    cells = []
    for index in evenly_spaced(len(frames), count):
        frame = frames[index]
        if frame not in masks:
            raise InputError(f"no mask of {name}/{frame}", "complete the masks")
        image, mask = read_image(images[frame]), to_mask(read_values(masks[frame]))
        if image.shape[:2] != mask.shape:
            raise InputError(
                f"{masks[frame]} is {mask.shape[1]}x{mask.shape[0]}, its frame "
                f"{image.shape[1]}x{image.shape[0]}",
                "give masks of the frames' size",
            )
        cells.append(overlay(shrink(image, CELL_WIDTH), shrink(mask, CELL_WIDTH)))
    return cells


def evenly_spaced(length: int, count: int) -> list[int]:
    """``count`` indices below ``length``, the first and the last included; one is the middle.

    >>> evenly_spaced(9, 3), evenly_spaced(9, 1)
    ([0, 4, 8], [4])
    """
    if count == 1:
        return [length // 2]
    return [round(i * (length - 1) / (count - 1)) for i in range(count)]


def write_figure(rows: Sequence[Row], outputs: Sequence[Path], *, labels: bool = True) -> None:
    """Draw the grid, a sequence a row, into each of ``outputs``: ``.png`` or ``.pdf``.

    With ``labels``, each row has its sequence's name at its left. Raises `InputError` for another
    ending, a missing folder, or where matplotlib is missing.
    """
    check_outputs(outputs)
    drawing = package("matplotlib.figure", "report", "3dcseg figure")
    left = _LABEL_INCHES if labels else 0.0
    count = max(len(cells) for _, cells in rows)
    width = (PAGE_INCHES - left - _GAP * (count - 1)) / count
    # Each row is as high as its own pictures ask for; sequences may differ in shape.
    heights = [width * cells[0].shape[0] / cells[0].shape[1] for _, cells in rows]
    total = sum(heights) + _GAP * (len(rows) - 1)
    figure = drawing.Figure(figsize=(PAGE_INCHES, total))
    top = total
    for (name, cells), height in zip(rows, heights, strict=True):
        top -= height
        for column, cell in enumerate(cells):
            x = left + column * (width + _GAP)
            box = (x / PAGE_INCHES, top / total, width / PAGE_INCHES, height / total)
            axes = figure.add_axes(box)
            axes.imshow(cell, interpolation="none", aspect="auto")
            axes.set_axis_off()
        if labels:
            place = (0.6 * left / PAGE_INCHES, (top + height / 2) / total)
            figure.text(*place, name, rotation=90, ha="center", va="center", fontsize=7)
        top -= _GAP
    dpi = max(cells[0].shape[1] for _, cells in rows) / width
    for output in outputs:
        kind = output.suffix.lower()[1:]
        # Without dates, so that the same figure is the same file.
        metadata = {"CreationDate": None} if kind == "pdf" else {"Software": None}
        with replacing(output) as temporary:
            figure.savefig(temporary, format=kind, dpi=dpi, metadata=metadata)


def check_outputs(outputs: Sequence[Path]) -> None:
    """Raise `InputError` for an ending that is not of `FORMATS`, or a missing folder."""
    for output in outputs:
        if output.suffix.lower() not in FORMATS:
            raise InputError(f"{output}: figures are {' or '.join(FORMATS)}", "give such a name")
        if not output.resolve().parent.is_dir():
            raise InputError(f"{output}: no such folder {output.parent}", "make it first")
