"""Objects as COCO JSON, written frame by frame in constant memory."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, TextIO

import numpy as np

from threedcseg.atomic import replacing
from threedcseg.outputs.formats import SegmentedFrame, Sink, output_format
from threedcseg.outputs.rendering import Rendering
from threedcseg.video.frame import FrameSource


class CocoAnnotations:
    """COCO object detection JSON with compressed run lengths; see `open_coco`."""

    def __init__(self, file: TextIO, images: BinaryIO, source: FrameSource) -> None:
        self._file, self._images, self._source = file, images, source
        self._count = 0
        category = {"id": 1, "name": "object", "supercategory": "object"}
        video = {"id": 1, "name": source.path.name}
        info = {"description": source.path.name}
        file.write(f'{{"info": {json.dumps(info)},\n"licenses": [],\n')
        file.write(f'"videos": [{json.dumps(video)}],\n"categories": [{json.dumps(category)}],\n')
        file.write('"annotations": [')

    def __call__(self, result: SegmentedFrame) -> None:
        from pycocotools import mask as coco

        frame = result.frame
        height, width = self._source.height, self._source.width
        image = {
            "id": frame.index + 1,
            "file_name": f"{frame.name}.png",
            "width": width,
            "height": height,
            "video_id": 1,
            "frame_id": frame.index,
            "seconds": round(float(self._source.extent.before + frame.time), 6),
        }
        comma = "," if self._images.tell() else ""
        self._images.write(f"{comma}\n{json.dumps(image)}".encode())
        for item in result.objects:
            whole = np.zeros((height, width), np.uint8, order="F")
            box = whole[item.y : item.y + item.height, item.x : item.x + item.width]
            box[item.region] = 1
            runs = coco.encode(whole)
            self._count += 1
            annotation = {
                "id": self._count,
                "image_id": frame.index + 1,
                "category_id": 1,
                "segmentation": {"size": [height, width], "counts": runs["counts"].decode()},
                "area": item.area,
                "bbox": [item.x, item.y, item.width, item.height],
                "iscrowd": 0,
                "track_id": item.track,
            }
            self._file.write(f"{',' if self._count > 1 else ''}\n{json.dumps(annotation)}")

    def finish(self) -> None:
        self._file.write('\n],\n"images": [')
        self._images.seek(0)
        for line in self._images:
            self._file.write(line.decode())
        self._file.write("\n]}\n")


@output_format(
    "coco",
    "coco.json",
    summary="COCO JSON with run lengths and numbered objects",
    needs_objects=True,
    drawn_by=(),
    extra="coco",
    module="pycocotools",
)
@contextmanager
def open_coco(path: Path, source: FrameSource, rendering: Rendering) -> Iterator[Sink]:
    """COCO JSON: an image for each frame (its name that of the mask), an annotation for each object
    in it, with ``track_id`` for what is the same object from frame to frame.
    """
    with ExitStack() as stack:
        file = stack.enter_context(stack.enter_context(replacing(path)).open("w", encoding="utf-8"))
        images = stack.enter_context(TemporaryFile(dir=path.parent))
        writer = CocoAnnotations(file, images, source)
        yield writer
        writer.finish()
