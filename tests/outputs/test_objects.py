"""The list of objects that people see."""

from pathlib import Path

import cv2
import numpy as np
from made_videos import gray_frames, write_video

from threedcseg.outputs.formats import SegmentedFrame
from threedcseg.outputs.objects import COLUMNS, TABLE, lasting_objects, open_objects
from threedcseg.outputs.rendering import Rendering
from threedcseg.outputs.tracking import ObjectTracker
from threedcseg.video.reader import open_video


def listed(folder: Path, count: int) -> tuple[list[str], list[str]]:
    """Lines for people, and of the table, where one object stays and another is there once."""
    video = write_video(folder / "a.mp4", gray_frames(count, 96, 128))
    tracker = ObjectTracker()
    with open_video(video) as source, open_objects(folder / TABLE, source, Rendering()) as sink:
        for frame in source:
            mask = np.zeros((96, 128), np.uint8)
            cv2.circle(mask, (40, 50), 20, 1, -1)
            if frame.index == count // 2:
                mask[10:16, 110:118] = 1
            objects = tracker.update(mask > 0, frame.image, frame.index == 0)
            sink(SegmentedFrame(frame, mask.astype(np.float32), mask > 0, objects))
    return list(lasting_objects(folder)), (folder / TABLE).read_text().splitlines()


def test_what_flickers_up_is_counted_only(tmp_path: Path) -> None:
    shown, table = listed(tmp_path, 12)
    assert len(table) == 3
    assert [line.split() for line in shown[:2]] == [line.split(",") for line in table[:2]]
    assert shown[2:] == [f"and 1 more, seen in less than 8 frames: {tmp_path / TABLE}"]


def test_of_a_picture_all_is_listed(tmp_path: Path) -> None:
    shown, table = listed(tmp_path, 1)
    assert [line.split() for line in shown] == [line.split(",") for line in table]


def test_where_nothing_is_there_is_no_line(tmp_path: Path) -> None:
    (tmp_path / TABLE).parent.mkdir()
    (tmp_path / TABLE).write_text(",".join(COLUMNS))
    assert [line.split() for line in lasting_objects(tmp_path)] == [list(COLUMNS)]
