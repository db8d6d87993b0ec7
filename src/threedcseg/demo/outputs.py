"""Any format of a video that is segmented already, made when it is asked for."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from threedcseg.atomic import replacing
from threedcseg.outputs.choice import Chosen, only_chosen
from threedcseg.outputs.formats import FORMATS, Renderer, SegmentedFrame
from threedcseg.outputs.record import RunRecord
from threedcseg.outputs.rendering import Rendering
from threedcseg.outputs.tracking import ObjectTracker
from threedcseg.video.frame import FrameSource

KEPT = ("masks", "probabilities")
"""What is written while the network runs; all else is made from these and the video."""


def make_output(
    source: FrameSource,
    results: Path,
    folder: Path,
    name: str,
    rendering: Rendering,
    on_frame: Callable[[], None],
    drop: tuple[int, ...] = (),
) -> Path:
    """Write the format ``name`` from what is `KEPT` in ``results``, without a network.

    Returns the file, in ``folder``: the format's own, or a ZIP of its images. The same as
    `segment_video` writes, byte for byte where the encoder is. ``on_frame`` is called after each
    frame; objects of the numbers in ``drop``, as they were found, are left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    format = FORMATS[name]
    if name in KEPT and not drop:
        images = sorted(results.glob(format.files[0]))
        return _zip(images, folder / f"{name}.zip", on_frame)
    renderer, tracker = Renderer(rendering), ObjectTracker()
    record = RunRecord.read(results)
    assert record is not None  # it was done before
    with format.open_in(folder, source, rendering) as sink:
        for frame in source:
            mask = _read(results / f"{frame.name}.png") > 0
            probabilities = _read(results / "probabilities" / f"{frame.name}.png") / np.float32(255)
            begins_shot = frame.index in record.cuts
            follows = drop or format.needs_objects
            objects = tracker.update(mask, frame.image, begins_shot) if follows else ()
            found = SegmentedFrame(frame, probabilities, mask, objects)
            if drop:
                found = only_chosen(found, Chosen(None, drop))
            sink(renderer.next(found, begins_shot))
            on_frame()
    made = [file for pattern in format.files for file in sorted(folder.glob(pattern))]
    if len(made) == 1 and not format.is_images:
        return made[0]
    return _zip(made, folder / f"{name}.zip", lambda: None)


def _read(path: Path) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None  # we wrote it
    return image


def _zip(images: list[Path], path: Path, on_frame: Callable[[], None]) -> Path:
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for image in images:  # stored: PNG does not shrink any further
            archive.write(image, image.name)
            on_frame()
    return path
