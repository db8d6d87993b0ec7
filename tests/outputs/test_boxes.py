"""Boxes as CSV: names that a spreadsheet would run are none of its business."""

import csv

import cv2
import numpy as np
import pytest

from threedcseg.inference.settings import Settings
from threedcseg.outputs.boxes import cell
from threedcseg.segmentation.video import segment_video

BAD = ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1")
GOOD = ("a", "'a", "0=1", " =1", "dog, big", 'a"b')


@pytest.mark.parametrize("name", BAD)
def test_what_would_be_run_is_text(name):
    assert cell(name) == f"'{name}"


@pytest.mark.parametrize("name", GOOD)
def test_all_else_stays(name):
    assert cell(name) == name


def test_names_of_frames(tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    image = np.zeros((32, 48, 3), np.uint8)
    image[8:24, 8:24] = 255
    names = ["=cmd|x", "@a", "plain"]
    for name in names:
        (frames / f"{name}.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())

    def bright(clip):
        return (clip.mean(1, keepdim=True) - 0.5) * 12

    segment_video(frames, tmp_path / "out", bright, Settings(short_edge=32), write=["boxes"])
    with (tmp_path / "out" / "boxes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["'=cmd|x", "'@a", "plain"]
