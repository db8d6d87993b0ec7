"""Any format of a video that is segmented already, made when it is asked for."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from threedcseg.atomic import replacing
from threedcseg.outputs.formats import FORMATS, SegmentedFrame
from threedcseg.outputs.record import RunRecord
from threedcseg.outputs.rendering import Rendering
from threedcseg.outputs.tracking import ObjectTracker
from threedcseg.video.reader import open_video

KEPT = ("masks", "probabilities")
"""What is written while the network runs; all else is made from these and the video."""


def make_output(
    video: Path,
    results: Path,
    folder: Path,
    name: str,
    rendering: Rendering,
    on_frame: Callable[[], None],
) -> Path:
    """Write the format ``name`` from the masks and 8-bit probabilities in ``results``, without a
    network.

    Returns the file, in ``folder``: the format's own, or a ZIP of its images. The same as
    `segment_video` writes, byte for byte where the encoder is. ``on_frame`` is called after each
    frame.
    """
    folder.mkdir(parents=True, exist_ok=True)
    format = FORMATS[name]
    first = format.files[0]
    if name in KEPT:
        return _zip(sorted(results.glob(first)), folder / f"{name}.zip", on_frame)
    tracker = ObjectTracker() if format.needs_objects else None
    record = RunRecord.read(results)
    assert record is not None  # it was done before
    with open_video(video) as source, format.open_in(folder, source, rendering) as sink:
        for frame in source:
            mask = _read(results / f"{frame.name}.png") > 0
            probabilities = _read(results / "probabilities" / f"{frame.name}.png") / np.float32(255)
            objects = tracker.update(mask, frame.index in record.cuts) if tracker else ()
            sink(SegmentedFrame(frame, probabilities, mask, objects))
            on_frame()
    if format.is_images:
        return _zip(sorted(folder.glob(first)), folder / f"{name}.zip", lambda: None)
    return folder / first


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
